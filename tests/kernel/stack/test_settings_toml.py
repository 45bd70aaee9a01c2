"""TOML in and out: what is written can be read again."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.settings import toml

# TOML cannot say lone surrogates.
text = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_value_that_is_written_is_read_again(value: object) -> None:
    assert toml.value(toml.value_text(value)) == value


@given(st.lists(text, min_size=1, max_size=4))
def test_a_key_that_is_written_is_read_again(path: list[str]) -> None:
    assert toml.key(toml.key_text(tuple(path))) == tuple(path)


def test_a_key_may_hold_quotes_and_equals_signs() -> None:
    assert toml.key(toml.key_text(('a"=b', "c='"))) == ('a"=b', "c='")


@pytest.mark.parametrize(
    "key", ["", "a b", "a = 1\nb", "[a]", "a.", '"open', "# x", "a=b", "a = 1 #", "a = 0 #"]
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError):
        toml.key(key)


@pytest.mark.parametrize("value", ["", "x", "1\ny = 2", "1 2", "{a", "# x"])
def test_what_is_no_value_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        toml.value(value)


@attrs.frozen
class Spot:
    x: int = 1
    hidden: str = attrs.field(default="no", repr=False)
    key: str = attrs.field(default="hunter2", repr=False, metadata={"secret": True})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "unset"),
        (Path("a/b"), '"a/b"'),
        (("a", 1), '["a", 1]'),
        (frozenset("ba"), '["a", "b"]'),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (Spot(), "{x = 1, key = (secret)}"),
        (object(), "object"),
    ],
)
def test_what_toml_lacks_is_written_all_the_same(value: object, written: str) -> None:
    assert toml.value_text(value) == written


def test_a_path_leads_through_lists() -> None:
    assert toml.key_text(("a", 2, "b c")) == 'a[2]."b c"'


def test_an_example_from_the_docs_is_one() -> None:
    page = (Path(__file__).parents[3] / "docs/settings.md").read_text(encoding="utf-8")
    examples = page.split("```toml\n")[1:]
    assert len(examples) >= 2
    for example in examples:
        assert tomllib.loads(example.partition("```")[0])
