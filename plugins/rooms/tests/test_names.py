from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtcore_rooms.names import NAME_MAX, check_name, wrong_with
from rtcore_rooms.presence import MEMBER_NAME_MAX, check_member_name

from rtcore.errors import Rejected

GOOD = {
    "persian, ZWNJ": "می\u200cخواهم",
    "sinhala, ZWJ": "ශ්\u200dරී",
    "hindi": "क्\u200dष",
    "thai": "ห้องที่\u0e51",
    "family": "👨\u200d👩\u200d👧",
    "flag of England": "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "heart, VS16": "❤\ufe0f",
    "of Unicode 16": "\U0001fae9",
    "of no version yet": "\U0003ffff a",
    "NBSP": "salle\u00a0d'attente",
    "ideographic space": "東京\u3000駅",
    "narrow NBSP": "10\u202f000",
    "hebrew, RLM": "שלום\u200f!",
    "soft hyphen": "Donau\u00adschiff",
    "combining": "e\u0301",
    "private use": "\ue000",
    "slashes": "org/team:room #1?&%",
    "longest": "😀" * 64,
}
BAD = {
    "empty": "",
    "space": " ",
    "NBSP": "\u00a0",
    "joiner": "\u200d",
    "spaces and joiners": " \u200b\ufeff ",
    "space before": " a",
    "NBSP after": "a\u00a0",
    "ideographic space after": "a\u3000",
    "NUL": "a\0b",
    "newline": "a\nb",
    "newline after": "a\n",
    "CR": "a\rb",
    "tab": "a\tb",
    "escape": "\x1b[31m",
    "DEL": "a\x7f",
    "NEL": "a\x85b",
    "C1": "a\x9fb",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "override": "user\u202egpj.exe",
    "isolate": "a\u2066b",
    "half": "a\ud83d",
    "annotation": "a\ufff9b",
    "too long": "a" * 129,
}


@pytest.mark.parametrize("name", GOOD.values(), ids=GOOD)
def test_a_name_that_people_have_is_one(name):
    check_name(name)
    check_member_name(name)


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_name_that_nobody_could_read_is_refused_with_the_reason(name):
    with pytest.raises(Rejected, match=r"bad_room: a room.s name: \S"):
        check_name(name)
    with pytest.raises(Rejected, match="bad_payload: `name`"):
        check_member_name(name)


def test_the_reason_names_the_character():
    with pytest.raises(Rejected, match="U\\+0007 is a control character"):
        check_name("bell\a")
    with pytest.raises(Rejected, match="1 to 128 characters, given 129"):
        check_name("a" * 129)


@given(st.text(st.characters(), max_size=NAME_MAX + 1))
def test_the_rule_is_one_whatever_the_version_of_unicode(name):
    refused = {
        *range(0x20),
        *range(0x7F, 0xA0),
        0x2028,
        0x2029,
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    }
    refused |= {*range(0xFFF9, 0xFFFC), *range(0xD800, 0xE000)}
    if refused & set(map(ord, name)) or not 0 < len(name) <= NAME_MAX:
        assert wrong_with(name, NAME_MAX)
    elif name.strip() == name and any(character.isalnum() for character in name):
        assert not wrong_with(name, NAME_MAX)


def test_names_of_members_are_shorter():
    check_name("a" * (MEMBER_NAME_MAX + 1))
    with pytest.raises(Rejected):
        check_member_name("a" * (MEMBER_NAME_MAX + 1))
