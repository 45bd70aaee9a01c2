"""Messages in parts: what a sender cuts, a receiver puts together, whatever comes twice."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.wire import WireError
from rtcore.wire.errors import BadPartError
from rtcore.wire.hello import Place
from rtcore.wire.parts import PART, Assembly, Large, Part, cut, parse_part

ROWS = json.loads((resources.files("rtcore.testing") / "vectors" / "parts.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", [pytest.param(row, id=row["name"]) for row in ROWS])
def test_what_a_receiver_makes_of_parts(row):
    binary, assembly = row.get("binary", False), Assembly()
    for step in row["steps"]:
        fields = dict(step["part"])
        if binary:
            fields["data"] = bytes.fromhex(fields["data"])
        if step["becomes"] in {"bad_part", "message_too_big"}:
            with pytest.raises(WireError) as refused:
                assembly.take(parse_part(fields, binary=binary), limit=row.get("limit", 1 << 20))
            assert refused.value.code == step["becomes"]
            continue
        item = assembly.take(parse_part(fields, binary=binary), limit=row.get("limit", 1 << 20))
        assert step["becomes"] == ("held" if item is None else "message")
        if item is not None:
            assert (item.hex() if binary else item.decode()) == step["item"]
        assert (assembly.place and assembly.place.fields()) == step["held"]


def parts_of(item, sizes, *, binary):
    at = 0
    for size in sizes:
        if at == len(item):
            return
        part = cut(item, at, size, binary=binary)
        yield part
        at = part.end
    while at < len(item):
        part = cut(item, at, PART, binary=binary)
        yield part
        at = part.end


@given(st.text(min_size=1), st.integers(1, 9000), st.lists(st.integers(1, 5000), max_size=20))
def test_a_text_in_parts_of_any_size_is_cut_between_characters_and_whole_again(text, times, sizes):
    item = Large((text * times).encode(errors="replace"))
    assembly, whole = Assembly(), None
    for part in parts_of(item, sizes, binary=False):
        assert whole is None
        part.data.decode()
        assert parse_part(part.fields(binary=False), binary=False) == part
        whole = assembly.take(part, limit=len(item))
    assert whole == item


@given(st.binary(min_size=1, max_size=50), st.integers(1, 2000), st.integers(1, 70_000), st.data())
def test_whatever_part_comes_again_the_whole_is_the_same(piece, times, size, data):
    item = Large(piece * times)
    parts = list(parts_of(item, [size] * 100, binary=True))
    assembly = Assembly()
    for number, part in enumerate(parts):
        for again in data.draw(st.lists(st.integers(0, number - 1), max_size=3) if number else st.just([])):
            assert assembly.take(parts[again], limit=len(item)) is None
        whole = assembly.take(part, limit=len(item))
        assert whole == (item if part.is_last else None)


@given(
    st.text(min_size=2, max_size=40).filter(lambda t: len(t.encode(errors="replace")) > 1), st.integers(1, 50)
)
def test_a_part_is_split_where_a_character_ends(text, most):
    data = text.encode(errors="replace")
    whole = Part("x", 7, 1000, data)
    first, rest = whole.split(most, binary=False)
    assert first.data.decode() + rest.data.decode() == data.decode()
    assert first.data
    assert rest.data
    assert (first.at, first.end, rest.end) == (7, rest.at, whole.end)
    assert len(first.data) <= max(most, 4)


def test_parts_of_the_usual_size_end_at_the_same_places_wherever_they_began():
    item = Large(b"x" * 100_000)
    assert cut(item, 0, PART, binary=True).end == PART
    odd = cut(item, 1000, 2000, binary=True)
    assert odd.end == 3000
    assert cut(item, odd.end, PART, binary=True).end == PART
    assert cut(item, PART - 1, PART, binary=True).end == PART


def test_what_was_counted_and_comes_again_is_followed_and_not_kept():
    item = Large(b"x" * 40_000)
    assembly = Assembly()
    assembly.pretend(Place(item.of, PART), len(item))
    assert assembly.place is None, "it must not be asked for again"
    assert assembly.take(cut(item, PART, PART, binary=True), limit=1 << 20) is None
    assert assembly.take(cut(item, 2 * PART, PART, binary=True), limit=1 << 20) == b""


def test_a_bad_part_names_what_is_held_and_what_came():
    assembly = Assembly()
    assembly.take(Part("a", 0, 10, b"12345"), limit=100)
    with pytest.raises(BadPartError, match=r"`at`: 6 of 10 bytes of 'a', but 5 of 10 bytes of 'a' are held"):
        assembly.take(Part("a", 6, 10, b"7"), limit=100)
    assert assembly.place == Place("a", 5)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.sampled_from([4, 6]), st.integers(1, 6)),
        max_size=8,
    )
)
def test_fit_says_what_take_would(drawn):
    parts = [Part(of, at, size, b"x" * min(n, size - at)) for of, at, size, n in drawn if at < size]
    assembly, fit = Assembly(), Assembly().fit(parts)
    try:
        for part in parts:
            assembly.take(part, limit=100)
        taken = True
    except BadPartError:
        taken = False
    assert fit == taken
