"""What the scenarios of attach cannot say in JSON."""

from __future__ import annotations

from rtcore.wire import Hello, ServerLine

NONCE = "n" * 16


def test_secrets_are_long_random_and_never_shown():
    one, other = ServerLine(3, 99), ServerLine(3, 99)
    for line in (one, other):
        line.take_hello("A", Hello(1, NONCE))
    assert len(one.secret) >= 24
    assert one.secret != other.secret
    assert one.secret not in repr(one)


def test_half_a_character_is_a_wrong_secret():
    line = ServerLine(3, 99)
    line.take_hello("A", Hello(1, NONCE))
    assert not line.knows("\ud800")
    line.take_hello("B", Hello(2, NONCE, session="s", secret="\ud800"))
    assert not line.confirmed


def test_no_secret_at_all_opens_nothing():
    line = ServerLine(3, 99)
    line.take_hello("A", Hello(1, NONCE))
    assert not line.knows("")
