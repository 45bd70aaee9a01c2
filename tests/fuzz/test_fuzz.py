"""A minute of fuzzing, from a new seed each time; a failure says what repeats it. `make fuzz` goes on for longer."""

from __future__ import annotations

import random
import time
import zlib
from pathlib import Path

import pytest
from stack import make, serving

from tests.fuzz import conversations
from tests.fuzz.mutate import CBOR_TOKENS, JSON_TOKENS, Mutator, seeds
from tests.fuzz.targets import TARGETS

POOLS = seeds()
CORPUS = sorted((Path(__file__).parent / "corpus").glob("*/*.hex"))
#: Seconds that one input may take: a quadratic parser takes them all.
SLOW = 1.0


def inputs(name: str, chance: random.Random) -> Mutator:
    """Return what makes inputs for a target."""
    if name == "cbor":
        return Mutator(POOLS[1], CBOR_TOKENS, chance)
    if name == "json":
        return Mutator(POOLS[0], JSON_TOKENS, chance)
    packed = []
    for kind, data in [*((0, one) for one in POOLS[0]), *((64, one) for one in POOLS[1])]:
        deflate = zlib.compressobj(wbits=-15)
        packed.append(bytes((kind + (2 - kind % 3) % 3,)) + deflate.compress(data) + deflate.flush())
    return Mutator(packed, [b"\0", b"\xff", b"\x01"], chance)


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_takes_anything(name):
    seed = random.randrange(2**32)
    make_input, target = inputs(name, random.Random(seed)), TARGETS[name]
    end, count = time.monotonic() + 12, 0
    while time.monotonic() < end:
        data, began = make_input(), time.perf_counter()
        try:
            target(data)
        except Exception as error:
            raise AssertionError(f"{name}: seed {seed}, input {count}: {data[:400]!r}") from error
        took = time.perf_counter() - began
        assert took < SLOW, f"{name}: {took:.2f} s for {len(data)} bytes: {data[:200]!r}"
        count += 1
    assert count > 500


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_was_once_found_stays_mended(path):
    TARGETS[path.parent.name](bytes.fromhex(path.read_text(encoding="ascii")))


@pytest.mark.parametrize(("name", "data"), [("json", b"{}\n" * 10_000), ("cbor", b"\xa1\x01" * 10_000)])
def test_ten_thousand_bad_items_cost_no_more_than_their_number(name, data):
    def seconds(data: bytes) -> float:
        best = float("inf")
        for _ in range(3):
            began = time.perf_counter()
            TARGETS[name](data)
            best = min(best, time.perf_counter() - began)
        return best

    few = max(seconds(data[: len(data) // 10]), 1e-4)
    assert seconds(data) < 40 * few, "ten times the items, more than forty times the work"


@pytest.mark.parametrize(
    "talk", [conversations.websocket, conversations.http], ids=lambda talk: talk.__name__
)
async def test_a_server_takes_anything(talk):
    seed = random.randrange(2**32)
    async with serving(make(rate_limit_per_second=0)) as port:
        count = await conversations.converse(port, talk, seconds=12, seed=seed, pools=POOLS)
    assert count > 50


# -- the fuzzers find what they are there for ----------------------------------------------------------------


def test_a_parser_that_lets_another_error_out_is_found(monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a fault")

    monkeypatch.setattr("tests.fuzz.targets.unpack", broken)
    with pytest.raises(KeyError):
        TARGETS["json"](b"{}")


def test_the_same_seed_makes_the_same_inputs():
    one, other = inputs("json", random.Random(5)), inputs("json", random.Random(5))
    assert [one() for _ in range(50)] == [other() for _ in range(50)]
