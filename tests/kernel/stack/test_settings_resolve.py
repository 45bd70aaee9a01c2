"""What is right, what is wrong, and how that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from attrs import validators as v

from rtcore.errors import Problem, RtcoreError, SettingsError
from rtcore.settings import from_mapping, load, resolve


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Policy:
    history: int = attrs.field(default=0, validator=v.ge(0))
    drop: Literal["new", "old"] = "old"


def _even(instance: object, field: Any, value: int) -> None:
    if value % 2:
        raise ValueError("an even number")


@attrs.frozen
class Kitchen:
    """One field of every kind that settings can hold."""

    whole: int = 0
    number: float = 0.0
    text: str = ""
    switch: bool = False
    path: Path | None = None
    maybe: int | None = None
    choice: Literal["a", "b", 3] = "a"
    colour: Colour = Colour.RED
    either: int | str | Policy = 0
    names: list[str] = attrs.field(factory=list)
    numbers: tuple[int, ...] = ()
    pair: tuple[str, int] = ("", 0)
    unique: frozenset[str] = frozenset()
    mutable: set[int] = attrs.field(factory=set)
    sequence: Sequence[int] = ()
    counts: Mapping[str, int] = attrs.field(factory=dict)
    by_number: dict[int, str] = attrs.field(factory=dict)
    policy: Policy = Policy()
    options: dict[str, Policy] = attrs.field(factory=dict)
    anything: Any = None
    few: int = attrs.field(default=1, validator=v.and_(v.ge(1), v.le(9)))
    even: int = attrs.field(default=0, validator=_even)
    word: str = attrs.field(default="x", validator=v.matches_re("[a-z]+"))
    long: str = attrs.field(default="xx", validator=[v.min_len(2), v.max_len(3)])
    among: int = attrs.field(default=1, validator=v.in_([1, 2]))
    each: tuple[int, ...] = attrs.field(default=(), validator=v.deep_iterable(v.ge(1)))
    upper: str = attrs.field(default="", converter=str.upper)
    _hidden: int = 0


@attrs.frozen
class Range:
    low: int = attrs.field(default=0, validator=v.ge(0))
    high: int = 10

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low not above high")


def kitchen(**values: object) -> Kitchen:
    return resolve(from_mapping({"kitchen": values}), {"kitchen": Kitchen}).section(Kitchen)


def typed(key: str, text: str) -> Kitchen:
    """The same, as the command line would give it."""
    return resolve(load(overrides=[f"kitchen.{key}={text}"]), {"kitchen": Kitchen}).section(Kitchen)


def problems(values: Mapping[str, Any], **sections: type[Any]) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as caught:
        resolve(from_mapping(values), sections)
    return caught.value.problems


def problem(key: str, value: object) -> Problem:
    (only,) = problems({"kitchen": {key: value}}, kitchen=Kitchen)
    return only


# -- what fits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "read"),
    [
        ("whole", 3, 3),
        ("number", 3, 3.0),
        ("number", 3.5, 3.5),
        ("switch", True, True),
        ("path", "a/b", Path("a/b")),
        ("path", Path("a/b"), Path("a/b")),
        ("maybe", None, None),
        ("maybe", 4, 4),
        ("choice", "b", "b"),
        ("choice", 3, 3),
        ("colour", "blue", Colour.BLUE),
        ("colour", Colour.BLUE, Colour.BLUE),
        ("either", 3, 3),
        ("either", "3", "3"),
        ("either", {"history": 3}, Policy(history=3)),
        ("names", ["a"], ["a"]),
        ("numbers", [1, 2], (1, 2)),
        ("pair", ["a", 1], ("a", 1)),
        ("unique", ["a", "a"], frozenset("a")),
        ("mutable", [1], {1}),
        ("sequence", [1], (1,)),
        ("counts", {"a": 1}, {"a": 1}),
        ("by_number", {"7": "x"}, {7: "x"}),
        ("policy", {"history": 1}, Policy(history=1)),
        ("options", {"chat:*": {"history": 1}}, {"chat:*": Policy(history=1)}),
        ("anything", [1, {"x": None}], [1, {"x": None}]),
        ("upper", "a", "A"),
    ],
)
def test_a_value_of_the_right_type_fits(key: str, value: object, read: object) -> None:
    got = getattr(kitchen(**{key: value}), key)
    assert got == read
    assert type(got) is type(read)


@pytest.mark.parametrize(
    ("key", "text", "read"),
    [
        ("whole", "3", 3),
        ("whole", "1_000", 1000),
        ("number", "3", 3.0),
        ("number", "1e3", 1000.0),
        ("switch", "true", True),
        ("path", "/a b", Path("/a b")),
        ("maybe", "4", 4),
        ("choice", "b", "b"),
        ("choice", '"b"', "b"),
        ("choice", "3", 3),
        ("colour", "blue", Colour.BLUE),
        ("either", "3", 3),
        ("either", "x", "x"),
        ("either", "{history = 3}", Policy(history=3)),
        ("numbers", "1,2", (1, 2)),
        ("numbers", "[1, 2]", (1, 2)),
        ("counts", "{a = 1}", {"a": 1}),
        ("policy", "{history = 1}", Policy(history=1)),
        ("policy.history", "1", Policy(history=1)),
        ('options."chat:*".history', "1", {"chat:*": Policy(history=1)}),
        ("anything", "3", 3),
        ("anything", "x y", "x y"),
        ("anything", '{a = ["x", 1]}', {"a": ["x", 1]}),
        ("names", '["3", "x"]', ["3", "x"]),
        ("text", "{}", "{}"),
        ("policy", "{}", Policy()),
    ],
)
def test_typed_text_is_read_as_what_its_key_wants(key: str, text: str, read: object) -> None:
    assert getattr(typed(key, text), key.partition(".")[0]) == read


def test_a_private_field_goes_by_its_public_name() -> None:
    assert kitchen(hidden=3) == Kitchen(hidden=3)


# -- what does not ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "given", "expected"),
    [
        ("whole", "10", '"10" (text)', "a whole number"),
        ("whole", True, "true", "a whole number"),
        ("whole", 1.0, "1.0", "a whole number"),
        ("whole", None, "nothing", "a whole number"),
        ("number", "1", '"1" (text)', "a number"),
        ("number", False, "false", "a number"),
        ("number", float("nan"), "nan", "a finite number"),
        ("number", float("inf"), "inf", "a finite number"),
        ("number", 10**400, "1" + "0" * 59 + "… (a whole number)", "a finite number"),
        ("text", 3, "3 (a whole number)", "text"),
        ("switch", 1, "1 (a whole number)", "true or false"),
        ("switch", "true", '"true" (text)', "true or false"),
        ("path", "", '"" (text)', "a path"),
        ("path", 3, "3 (a whole number)", "a path"),
        ("maybe", "x", '"x" (text)', "a whole number"),
        ("choice", "c", '"c" (text)', 'one of "a", "b", 3'),
        ("choice", "3", '"3" (text)', 'one of "a", "b", 3'),
        ("colour", "bleu", '"bleu" (text)', 'one of "red", "blue"; "blue" is the nearest'),
        ("either", 1.5, "1.5", "a whole number or text or a table"),
        ("names", "abc", '"abc" (text)', "a list of texts"),
        ("numbers", {"a": 1}, "a table of 1", "a list of whole numbers"),
        ("pair", ["a"], "a list of 1", "a list of 2: text, a whole number"),
        ("counts", [1], "a list of 1", "a table of whole numbers"),
        ("policy", "x", "text", "a table"),
        ("policy", 3, "3 (a whole number)", "a table"),
        ("options", [], "an empty list", "a table of tables"),
        ("few", 0, "0 (a whole number)", "a whole number ≥ 1 and ≤ 9"),
        ("few", "x", '"x" (text)', "a whole number ≥ 1 and ≤ 9"),
        ("even", 3, "3 (a whole number)", "an even number"),
        ("word", "A", '"A" (text)', "text that matches `[a-z]+`"),
        ("long", "xxxx", '"xxxx" (text)', "text of length ≥ 2 and of length ≤ 3"),
        ("among", 3, "3 (a whole number)", "a whole number one of 1, 2"),
        ("each", [0], "a list of 1", "a list of whole numbers each ≥ 1"),
    ],
)
def test_what_does_not_fit_says_what_was_given_and_what_expected(
    key: str, value: object, given: str, expected: str
) -> None:
    found = problem(key, value)
    assert (found.key, found.given, found.expected, found.source) == (
        f"kitchen.{key}",
        given,
        expected,
        "program",
    )


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("numbers", [1, "x"], "kitchen.numbers[1]"),
        ("pair", ["a", "b"], "kitchen.pair[1]"),
        ("counts", {"a b": "x"}, 'kitchen.counts."a b"'),
        ("by_number", {"x": "x"}, "kitchen.by_number.x"),
        ("policy", {"history": "x"}, "kitchen.policy.history"),
        ("options", {"chat:*": {"history": -1}}, 'kitchen.options."chat:*".history'),
        ("either", {"history": "x"}, "kitchen.either.history"),
    ],
)
def test_the_key_path_leads_into_lists_and_tables(key: str, value: object, path: str) -> None:
    assert problem(key, value).key == path


def test_all_problems_are_reported_at_once() -> None:
    wrong = {
        "batch_size": 0,
        "codec": 3,
        "sesion_ttl": 1,
        "nowhere": {"x": 1},
        "kitchen": {
            "whole": "x",
            "few": 0,
            "even": 1,
            "wole": 1,
            "options": {"a": {"drop": "x"}, "b": {"x": 1}},
        },
        "range": {"low": -1},
    }
    keys = {p.key for p in problems(wrong, kitchen=Kitchen, range=Range)}
    assert keys == {
        "batch_size",
        "codec",
        "sesion_ttl",
        "nowhere",
        "kitchen.whole",
        "kitchen.few",
        "kitchen.even",
        "kitchen.wole",
        "kitchen.options.a.drop",
        "kitchen.options.b.x",
        "range.low",
    }


def test_the_text_counts_the_problems_and_gives_each_a_line() -> None:
    with pytest.raises(SettingsError) as caught:
        resolve(load(overrides=["batch_size=x", "sesion_ttl=1"]), {})
    assert str(caught.value).splitlines() == [
        "2 problems in the settings:",
        (
            "  sesion_ttl: given an unknown key, expected a key of the kernel or a plugin's section; "
            "did you mean `session_ttl`? (from command line)"
        ),
        "  batch_size: given `x`, expected a whole number ≥ 1 (from command line)",
    ]


def test_values_that_do_not_go_together_are_reported_at_their_section() -> None:
    (found,) = problems({"range": {"low": 11}}, range=Range)
    assert (found.key, found.given, found.expected) == (
        "range",
        "values that do not go together",
        "low not above high",
    )


def test_a_long_value_is_shortened() -> None:
    assert len(problem("whole", "x" * 500).given) < 80


# -- keys that nobody knows --------------------------------------------------------------------------------


def test_an_unknown_key_names_the_nearest_valid_one() -> None:
    found = problem("wole", 1)
    assert found.nearest == "kitchen.whole"
    assert found.given == "an unknown key"
    assert found.expected.startswith("one of: whole, number, text")


def test_a_hyphen_is_an_underscore() -> None:
    (found,) = problems({"batch-size": 1})
    assert found.nearest == "batch_size"


def test_an_unknown_key_deep_inside_names_its_neighbour() -> None:
    assert problem("options", {"chat:*": {"histry": 1}}).nearest == 'kitchen.options."chat:*".history'


def test_an_unknown_keys_value_is_not_shown_for_it_may_be_a_misspelt_secret() -> None:
    assert "hunter2" not in str(problem("sekret", "hunter2"))
    (found,) = problems({"tokne": "hunter2"})
    assert "hunter2" not in str(found)
    (found,) = problems({"kitchen": "hunter2"}, kitchen=Kitchen)
    assert "hunter2" not in str(found)


def test_a_section_without_its_plugin_says_which_there_are() -> None:
    (found,) = problems({"kitchn": {"x": 1}}, kitchen=Kitchen, range=Range)
    assert found.given == "section `kitchn`, which belongs to no plugin"
    assert found.expected == "a plugin that runs: kitchen, range"
    assert found.nearest == "kitchen"


def test_a_section_without_any_plugin_says_so() -> None:
    (found,) = problems({"foo": {"x": 1}})
    assert found.expected == "no section: no plugin runs"


def test_a_plugins_key_without_its_section_is_recognised() -> None:
    (found,) = problems({"few": 3}, kitchen=Kitchen)
    assert found.nearest == "kitchen.few"


def test_a_section_for_a_plugin_without_settings_is_reported() -> None:
    with pytest.raises(SettingsError, match="echo: given settings for a plugin that has none"):
        resolve(from_mapping({"echo": {"x": 1}}), {}, plain=["echo"])


def test_the_section_of_a_plugin_that_does_not_run_waits_unread() -> None:
    resolved = resolve(from_mapping({"jwt": {"any": 1}}), {}, ignored=["jwt"])
    assert dict(resolved.sections) == {}


def test_a_class_that_nobody_has_is_an_error() -> None:
    with pytest.raises(RtcoreError, match="no plugin that runs has the settings class"):
        resolve(load(), {}).section(Kitchen)


# -- what is in force ----------------------------------------------------------------------------------------


def test_rows_name_every_key_its_value_and_its_origin() -> None:
    sources = load(None, {"RTCORE_KITCHEN__OPTIONS": '{"a:*" = {history = 1}}'}, ["kitchen.text=x"])
    rows = {row.key: row for row in resolve(sources, {"kitchen": Kitchen}).rows()}
    assert (rows["kitchen.text"].value, rows["kitchen.text"].origin) == ('"x"', "command line")
    assert (rows["kitchen.maybe"].value, rows["kitchen.maybe"].origin) == ("unset", "default")
    assert rows["kitchen.policy.history"].value == "0"
    assert rows['kitchen.options."a:*".history'].origin == "env RTCORE_KITCHEN__OPTIONS"
    assert rows['kitchen.options."a:*".drop'].origin == "default"
    assert rows["kitchen.colour"].value == '"red"'
    assert rows["kitchen.hidden"].value == "0"
    assert rows["batch_size"].help.startswith("Messages after which")


def test_a_list_items_origin_is_its_lists() -> None:
    with pytest.raises(SettingsError, match=r"numbers\[1\].*\(from env RTCORE_KITCHEN__NUMBERS\)"):
        resolve(load(None, {"RTCORE_KITCHEN__NUMBERS": "1,x"}), {"kitchen": Kitchen})


@attrs.frozen
class Collector:
    endpoint: str = attrs.field(default="", validator=attrs.validators.matches_re(r"https?://\S+|"))
    others: tuple[str, ...] = ()


def test_what_is_secret_in_a_url_is_in_no_row_and_no_problem():
    url = "https://user:swordfish@collector.example/?token=swordfish"
    given = from_mapping({"otel": {"endpoint": url, "others": [url]}}, env={})
    rows = {row.key: row.value for row in resolve(given, {"otel": Collector}).rows()}
    assert rows["otel.endpoint"] == '"https://***@collector.example/?token=***"'
    assert "swordfish" not in rows["otel.others"]
    with pytest.raises(SettingsError) as wrong:
        resolve(
            from_mapping({"otel": {"endpoint": url.replace("https", "ftp")}}, env={}), {"otel": Collector}
        )
    assert "ftp://***@collector.example" in str(wrong.value)
    assert "swordfish" not in str(wrong.value)
