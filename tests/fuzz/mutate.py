"""Inputs for parsers: what is right, changed a little, often in places where parsers trip.

Coverage finds more (`make fuzz`), but needs a library that not every Python has. These mutations need nothing, can be
repeated from a number, and begin from real conversations, which gets them deep into a parser at once.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from typing import Any

import cbor2

#: Bytes of one input.
SIZE_MAX = 100_000

JSON_TOKENS = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b"\\u0000",
    b"\\ud800",
    b"\\udfff",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"9" * 40,
    b"\n",
    b"\r",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b" ",
    b"\t",
    b"\x01",
    b'"payload":',
    b'"type":',
    b"[" * 130,
    b"{}\n" * 50,
    b'["part",{"of":"a","at":0,"size":9,"data":"',
]
CBOR_TOKENS = [
    *(
        bytes([n])
        for n in (
            0x00,
            0x1B,
            0x3B,
            0x40,
            0x5F,
            0x5B,
            0x60,
            0x7F,
            0x7B,
            0x80,
            0x9F,
            0x9B,
            0xA0,
            0xBF,
            0xBB,
            0xC2,
            0xC3,
            0xD8,
            0xF4,
            0xF6,
            0xF7,
            0xF9,
            0xFA,
            0xFB,
            0xFF,
        )
    ),
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\x81" * 140,
    b"\xa1\x61a" * 130,
    b"\xd9\xd9\xf7",
    b"\x67payload",
    b"\xa0" * 50,
]
HTTP_TOKENS = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\0",
    b"\r\n\r\n",
    b":",
    b"\t",
    b"\x0b",
    b"%0d%0a",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: -1\r\n",
    b"Host: a\r\n",
    b"Expect: 100-continue\r\n",
    b"0\r\n\r\n",
    b"HTTP/1.1",
    b"HTTP/0.9",
    b"//",
    b"?codec=cbor",
    b"X: " + b"y" * 9000 + b"\r\n",
]


def seeds() -> tuple[list[bytes], list[bytes]]:
    """Return items and frames as JSON and as CBOR: all that the test vectors have."""
    as_json: list[bytes] = []
    as_cbor: list[bytes] = [
        cbor2.dumps({"type": "b", "payload": {"b": b"\0\xff", "n": 2**900, "f": float("nan")}})
    ]

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        elif isinstance(value, str) and value:
            if value[0] in "[{":
                as_json.append(value.encode())
            with suppress(ValueError):
                as_cbor.append(bytes.fromhex(value.replace(" ", "")) or b"\xa0")

    folder = resources.files("rtcore.testing") / "vectors"
    for file in folder.iterdir():
        if file.name.endswith(".json"):
            walk(json.loads(file.read_text(encoding="utf-8")))
    return as_json, as_cbor


class Mutator:
    """Makes inputs out of a pool, by a generator of random numbers."""

    def __init__(self, pool: Sequence[bytes], tokens: Sequence[bytes], chance: random.Random) -> None:
        self.pool, self.tokens, self.chance = pool, tokens, chance

    def __call__(self) -> bytes:
        """Return another input."""
        return self.change(self.chance.choice(self.pool))

    def change(self, data: bytes) -> bytes:
        """Return some bytes with a few changes."""
        chance, changed = self.chance, bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 3, 6, 15))):
            kind, size = chance.randrange(9), len(changed)
            at = chance.randrange(size + 1)
            if kind == 0 and at < size:
                changed[at] = chance.randrange(256)
            elif kind == 1 and at < size:
                changed[at] ^= 1 << chance.randrange(8)
            elif kind == 2:
                changed[at:at] = chance.choice(self.tokens)
            elif kind == 3:
                del changed[at : at + chance.randrange(1, 9)]
            elif kind == 4:
                changed[at:at] = changed[at : at + chance.randrange(1, 30)] * chance.choice((1, 2, 20))
            elif kind == 5:
                other = chance.choice(self.pool)
                changed[at:] = other[chance.randrange(len(other) + 1) :]
            elif kind == 6:
                del changed[at:]
            else:
                changed += (b"\n" if kind == 8 else b"") + chance.choice(self.pool)
        return bytes(changed[:SIZE_MAX])
