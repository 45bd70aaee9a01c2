"""Payloads for property tests: everything that every codec can say, and what none may."""

from __future__ import annotations

from math import inf, nan
from typing import Any, Final

from hypothesis import strategies as st

from rtcore.wire.values import DEPTH, DIGITS

#: Text without halves of characters, with everything that has ever ended a line or a frame.
texts: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.text(
    st.sampled_from('\r\n\t\0\x1e\x85\u2028\u2029\ufeff\x7f"\\$ é€😀'), max_size=8
)
_wholes: Final = (
    st.integers(-(2**53) - 2, 2**53 + 2)
    | st.integers(-(2**66), 2**66)
    | st.sampled_from([10**DIGITS - 1, 1 - 10**DIGITS, 2**53, -(2**63), 2**64 - 1, 2**64])
)
_floats: Final = st.floats() | st.sampled_from(
    [nan, inf, -inf, -0.0, 5e-324, 1e23, 2.0**60, 1.7976931348623157e308]
)
_keys: Final = texts | st.sampled_from(["$bytes", "$$bytes", "$float", "$", "payload", "__proto__", "toJSON"])
#: Payloads that arrive equal through any two codecs, or the program is wrong.
payloads: Final = st.recursive(
    st.none() | st.booleans() | _wholes | _floats | texts | st.binary(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(_keys, inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$bytes", "$$bytes", "$float", "$$$float"]), inner, min_size=1, max_size=1
        )
    ),
    max_leaves=12,
)


def nested(depth: int, inmost: Any = None) -> Any:
    """Return lists and maps, in turn, that lie so deep within one another."""
    for n in range(depth):
        inmost = [inmost] if n % 2 else {"in": inmost}
    return inmost


#: Payloads that nobody may send, each with a word of the reason.
refused: Final[tuple[tuple[str, Any], ...]] = (
    ("deep", nested(DEPTH + 1)),
    ("digits", [10**DIGITS]),
    ("digits", {"n": -(10**DIGITS)}),
    ("half a character", "\ud83d"),
    ("half a character", {"\udc00": 1}),
    ("key", {b"key": 1}),
    ("key", {None: 1}),
    ("key", {True: 1}),
    ("key", {(1, 2): 3}),
    ("two keys", {1: "a", "1": "b"}),
    ("cannot be sent", object()),
    ("cannot be sent", {"a": [object()]}),
    ("cannot be sent", 1j),
)


def same(one: Any, other: Any) -> bool:
    """Say whether two payloads are equal, and of the same types: `1` is neither `True` nor `1.0`, and NaN is NaN.

    >>> same([float("nan"), b"x"], [float("nan"), b"x"]), same(1, 1.0), same({"a": -0.0}, {"a": 0.0})
    (True, False, False)
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return repr(one) == repr(other) if isinstance(one, float) else bool(one == other)
