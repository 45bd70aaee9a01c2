"""Hello and welcome: read strictly, written sparsely."""

from __future__ import annotations

import json
import math
from importlib import resources

import attrs
import pytest

from rtcore.wire import BadControlError, Hello, Welcome
from rtcore.wire.hello import NAMES_MAX, TEXT_MAX, field

ROWS = json.loads((resources.files("rtcore.testing") / "vectors/greetings.json").read_text(encoding="utf-8"))
KINDS = {"hello": Hello, "welcome": Welcome}
NONCE = "n" * 16


def normal(greeting):
    """Return a greeting as the vectors write it."""
    fields = attrs.asdict(greeting)
    fields["part"] = greeting.part and greeting.part.fields()
    fields["v"] = fields.pop("version")
    if isinstance(greeting, Welcome):
        fields["from"] = fields.pop("begins")
    fields["compress"] = (
        list(fields["compress"]) if isinstance(fields["compress"], tuple) else fields["compress"]
    )
    if isinstance(greeting, Welcome):
        if not fields["reconnect"]:
            del fields["reconnect"]
        fields["heartbeat"] = {key: fields.pop(key) for key in ("interval", "timeout")}
    return fields


@pytest.mark.parametrize("row", [row for row in ROWS if "means" in row], ids=lambda row: row["name"])
def test_a_greeting_means(row):
    greeting = KINDS[row["item"]].parse(row["fields"])
    assert normal(greeting) == row["means"]
    assert KINDS[row["item"]].parse(greeting.fields()) == greeting, "it reads what it wrote"


@pytest.mark.parametrize("row", [row for row in ROWS if "bad" in row], ids=lambda row: row["name"])
def test_a_bad_greeting_is_refused_and_the_field_named(row):
    with pytest.raises(BadControlError) as caught:
        KINDS[row["item"]].parse(row["fields"])
    assert f"`{row['bad']}`" in str(caught.value)
    assert caught.value.code == "bad_control"


def test_a_hello_writes_what_matters():
    assert Hello(1, NONCE).fields() == {"v": 1, "attach": 1, "nonce": NONCE}
    again = Hello(2, NONCE, session="s", secret="k", received=None, sent=3)
    assert again.fields() == {
        "v": 1, "attach": 2, "nonce": NONCE, "session": "s", "secret": "k", "received": None, "sent": 3
    }  # fmt: skip


def test_a_hello_for_another_session_has_none_of_its_counts():
    hello = Hello(2, NONCE, session="s", secret="k", received=5, sent=3, token="t", client="c")
    assert hello.anew() == Hello(2, NONCE, token="t", client="c")
    assert attrs.evolve(hello, received=None).anew().received == 0


def test_a_welcome_writes_what_matters():
    fields = Welcome("s", "k", 1, NONCE, resumed=True, received=0, begins=0).fields()
    assert not {"reason", "compress", "batch"} & fields.keys()
    fields = Welcome(
        "s", "k", 1, NONCE, resumed=False, received=0, begins=3, reason="overflow", batch=True
    ).fields()
    assert (fields["reason"], fields["from"], fields["batch"]) == ("overflow", 3, True)


def test_secrets_do_not_show():
    hello = Hello(1, NONCE, session="s", secret="hush", token="mum")
    welcome = Welcome("s", "hush", 1, NONCE, resumed=True, received=0, begins=0)
    assert not [word for word in ("hush", "mum", NONCE) if word in repr(hello) + repr(welcome)]


@pytest.mark.parametrize("number", [-1, -0.5, 2**53, math.nan, math.inf, -math.inf])
def test_numbers_that_not_every_language_has_are_refused(number):
    with pytest.raises(BadControlError, match="expected 0 to"):
        field("x", {"n": number}, "n", (int, float))


def test_true_is_no_number():
    with pytest.raises(BadControlError, match="expected int, given bool"):
        field("x", {"n": True}, "n", int)
    assert field("x", {"n": True}, "n", bool) is True


def test_texts_and_lists_have_an_end():
    assert field("x", {"t": "a" * TEXT_MAX}, "t", str)
    with pytest.raises(BadControlError, match="at most"):
        field("x", {"t": "a" * (TEXT_MAX + 1)}, "t", str)
    assert Hello.parse({"attach": 1, "nonce": NONCE, "compress": ["x"] * NAMES_MAX}).compress


def test_what_is_missing_has_its_default_or_is_missed():
    assert field("x", {}, "n", int, 7) == 7
    assert field("x", {"n": None}, "n", int, 7) == 7
    with pytest.raises(BadControlError, match="`n` is missing"):
        field("x", {}, "n", int)
