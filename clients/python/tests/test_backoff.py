"""How long the client waits, and whose wish counts."""

from __future__ import annotations

from rtcore_client.backoff import Backoff


def test_the_servers_advice_raises_where_the_backoff_begins_and_never_lowers_it() -> None:
    backoff = Backoff(1.0, 30.0, uniform=lambda low, high: high)
    assert backoff.delay(0, base=4.0) == 4.0
    assert backoff.delay(1, base=4.0) == 8.0
    assert backoff.delay(0, base=0.1) == 1.0
    assert backoff.delay(9, base=4.0) == 30.0
