from __future__ import annotations

import re
from collections import Counter

import pytest

from rtcore.wire import CODES, DROP_REASONS, RESUME_REASONS, Next, after_close
from rtcore.wire.codes import closes

RANGES = {Next.RESUME: range(4000, 4100), Next.AFRESH: range(4100, 4200), Next.STOP: range(4200, 4300)}


def test_each_row_stands_under_its_own_name():
    assert all(name == code.name and re.fullmatch(r"[a-z_]+", name) for name, code in CODES.items())


def test_no_number_stands_for_two_codes():
    numbers = Counter(code.number for code in CODES.values() if code.number)
    assert [number for number, times in numbers.items() if times > 1] == []


def test_every_number_lies_in_the_range_of_what_a_client_does_next():
    for code in CODES.values():
        if code.number:
            assert code.number in RANGES[code.next], code


@pytest.mark.parametrize("following", Next)
def test_a_number_that_no_table_knows_still_says_what_to_do(following):
    assert {after_close(number) for number in RANGES[following]} == {following}


@pytest.mark.parametrize("number", [0, 1000, 1001, 1006, 1011, 3999, 4300, 4999])
def test_a_number_outside_of_the_ranges_means_resume(number):
    assert after_close(number) is Next.RESUME


def test_only_a_code_with_a_number_can_close_a_connection():
    assert {name for name in [*CODES, "app:own"] if closes(name)} == {
        c.name for c in CODES.values() if c.number
    }


def test_what_stops_a_client_is_not_to_be_tried_again():
    assert not [code.name for code in CODES.values() if code.number and code.next is Next.STOP and code.retry]


def test_every_word_has_a_meaning():
    for words in (RESUME_REASONS, DROP_REASONS, {name: code.meaning for name, code in CODES.items()}):
        assert all(meaning and not meaning.endswith(".") for meaning in words.values())
