"""The `id` of a message that cannot be decoded, so that who waits for its answer gets one.

Rule: only a key of the message itself counts. A payload may have an `id` as well, and to answer that would be to
answer another request.
"""

from __future__ import annotations

from json import JSONDecoder
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]  # typeshed leaves them out
from typing import Final

ID_MAX: Final = 256

_value = JSONDecoder(strict=False).raw_decode


def id_of(item: bytes) -> str | None:
    """Return the first `id` that comes before what is broken; `None` if none does, or it is no id.

    >>> id_of(b'{"type":"","id":"7","payload":"half')
    '7'
    >>> id_of(b'{"payload":{"id":"8"}, "type":') is None
    True
    """
    text = item.decode(errors="replace")
    place = _after(text, 0)
    try:
        while place < len(text) and text[place] in "{,":
            place = _after(text, place + 1)
            if text[place] != '"':
                break
            key, place = scanstring(text, place + 1, False)
            place = _after(text, place)
            if text[place] != ":":
                break
            value, place = _value(text, _after(text, place + 1))
            if key == "id":
                return value if _is_id(value) else None
            place = _after(text, place)
    except (ValueError, RecursionError, IndexError):
        pass
    return None


def _after(text: str, place: int) -> int:
    found = WHITESPACE.match(text, place)
    return found.end() if found is not None else place


def _is_id(value: object) -> bool:
    if not isinstance(value, str) or len(value) > ID_MAX or "\ufffd" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
