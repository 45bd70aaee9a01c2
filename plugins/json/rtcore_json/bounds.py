"""What JSON can say and not every codec: nesting and whole numbers beyond the bounds of `rtcore.wire.values`.

Rule: what cannot be beyond them is not looked at. It takes 256 bytes to lie 128 deep, and 4,300 to be a number of as
many digits, so a small payload costs a comparison; in a large one brackets are counted first.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final

import msgspec

from rtcore.wire.errors import UndecodableError
from rtcore.wire.values import DEPTH, DIGITS, plain, unmark

#: Bytes of a payload that cannot be beyond any bound.
SHORT: Final = 2 * DEPTH
#: Any run of more than `DIGITS` digits has a whole one of the blocks of this size, in bytes, in it.
_RUN: Final = DIGITS // 2
_DIGIT: Final = frozenset(b"0123456789")
#: How deep nearly everything lies at most: so often are pairs of brackets taken away before each is looked at.
_USUAL: Final = 8
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NOT_BRACKETS: Final = bytes(n for n in range(256) if n not in b"[]{}")
_STEP: Final = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}
_DOLLAR: Final = ord("$")
_BACKSLASH: Final = ord("\\")
_REASON_MAX: Final = 200

_decode = msgspec.json.Decoder().decode


def beyond(raw: bytes) -> str:
    """Say what of a payload (well-formed JSON) is beyond the bounds; an empty text if nothing is.

    >>> beyond(b"[" * 129 + b"]" * 129)
    'lists and maps more than 128 deep within one another'
    >>> beyond(b"[" * 128 + b"1" * 4300 + b"]" * 128)
    ''
    """
    if raw.count(b"[") + raw.count(b"{") > DEPTH and _is_too_deep(raw):
        return f"lists and maps more than {DEPTH} deep within one another"
    if len(raw) > DIGITS and _has_large_number(raw):
        return f"a whole number of more than {DIGITS} digits"
    return ""


def _is_too_deep(raw: bytes) -> bool:
    brackets = raw.translate(None, _NOT_BRACKETS)
    for _ in range(_USUAL):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return False
    # Brackets in texts have no partner.
    brackets = _STRING.sub(b"", raw).translate(None, _NOT_BRACKETS)
    deepest = max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if deepest == DEPTH + 1:
        # The innermost map may be a marker, which stands for a byte string or a number.
        try:
            plain(unmark(read_any(raw)))
        except (TypeError, UndecodableError):
            return True
        return False
    return deepest > DEPTH


def _has_large_number(raw: bytes) -> bool:
    for start in range(0, len(raw), _RUN):
        if raw[start] in _DIGIT and raw[start : start + _RUN].isdigit():
            # Some text, the fraction of a number, or it.
            try:
                read_any(raw)
            except UndecodableError:
                return True
    return False


def has_marker(raw: bytes) -> bool:
    """Say whether there may be a marker in a payload. To look for one byte takes 20 ns, for two 100."""
    return (_DOLLAR in raw and b'"$' in raw) or (_BACKSLASH in raw and b"u0024" in raw)


def read_any(raw: bytes) -> Any:
    """Return what JSON says. A float that is too large for one is an infinity, as it is in JavaScript.

    Raises:
        UndecodableError: it says nothing.
    """
    try:
        return _decode(raw)
    except (ValueError, RecursionError) as error:
        if "out of range" not in str(error):
            raise UndecodableError(str(error)[:_REASON_MAX]) from error
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise UndecodableError(str(error)[:_REASON_MAX]) from error
