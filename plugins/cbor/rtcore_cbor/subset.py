"""The part of CBOR (RFC 8949) that is spoken here: what `rtcore.wire.values` lists.

Rule: what a peer sends makes plain values and nothing else. cbor2 knows tags that compile regular expressions, parse
mail, share and repeat references; here every tag is refused but those of large whole numbers, which are bounded.
Lengths are definite; map keys are text, since others could be chosen so that they collide; depth is bounded.
"""

from __future__ import annotations

from io import BytesIO
from typing import Final, NoReturn

import cbor2

from rtcore.wire.values import DEPTH, TOO_LARGE

#: Bytes of the largest whole number.
NUMBER_MAX: Final = (TOO_LARGE.bit_length() + 7) // 8
#: How deep an item may lie that is only to be looked through.
_ABYSS: Final = 512

#: Tags that cbor2 has decoders of its own for.
_BUILT_IN: Final = (
    0, 1, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799,
)  # fmt: skip


def new_decoder(*, depth: int = DEPTH) -> cbor2.CBORDecoder:
    """Return a decoder of the subset; give it a frame with `decoder.fp = BytesIO(frame)`."""
    return cbor2.CBORDecoder(
        BytesIO(),
        tag_hook=_refuse_tag,
        semantic_decoders={2: _number, 3: _negative} | dict.fromkeys(_BUILT_IN, _refuse),
        max_depth=depth,
        allow_indefinite=False,
        allow_duplicate_keys=False,
        strict_hashable_types=True,
    )


def new_finder() -> cbor2.CBORDecoder:
    """Return a decoder that finds the end of nearly anything, for items that cannot be decoded."""
    return cbor2.CBORDecoder(
        BytesIO(),
        tag_hook=lambda tag, immutable: None,
        semantic_decoders=dict.fromkeys((2, 3, *_BUILT_IN), _ignore),
        str_errors="replace",
        max_depth=_ABYSS,
        strict_hashable_types=True,
    )


def _refuse(value: object, immutable: bool) -> NoReturn:  # noqa: FBT001 - cbor2's signature
    raise ValueError("a tag that is not spoken here")


def _refuse_tag(tag: cbor2.CBORTag, immutable: bool) -> NoReturn:  # noqa: FBT001 - cbor2's signature
    raise ValueError(f"tag {tag.tag} is not spoken here")


def _ignore(value: object, immutable: bool) -> None:  # noqa: FBT001 - cbor2's signature
    return None


def _number(value: object, immutable: bool) -> int:  # noqa: FBT001 - cbor2's signature
    if not isinstance(value, bytes) or len(value) > NUMBER_MAX:
        raise ValueError(f"a whole number has up to {NUMBER_MAX} bytes")
    return int.from_bytes(value, "big")


def _negative(value: object, immutable: bool) -> int:  # noqa: FBT001 - cbor2's signature
    return -1 - _number(value, immutable)


def has_large_number(raw: bytes) -> bool:
    """Say whether there may be a whole number in a payload that is larger than any text can be that says it."""
    return len(raw) > NUMBER_MAX and (b"\xc2\x59" in raw or b"\xc3\x59" in raw)
