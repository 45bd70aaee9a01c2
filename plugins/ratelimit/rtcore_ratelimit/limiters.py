"""GCRA, the generic cell rate algorithm (ITU-T I.371, annex A.1; the virtual scheduling form).

One number says how things stand: the *theoretical arrival time*, at which the next message would come if all came
evenly. A message may come earlier than that by the tolerance, which is what a burst is; each one moves it on by
the interval of one message. There is nothing to refill and no timer.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from rtcore_ratelimit.settings import Settings

if TYPE_CHECKING:
    from rtcore.session import Session

#: Seconds. Whoever waits as long as was said must pass, whatever rounding does.
_SLACK: Final = 1e-9

Clock = Callable[[], float]
Key = Callable[["Session"], Hashable]


def limiters(rate: float, settings: Settings, *, clock: Clock) -> list[Paced]:
    """Return the limiters that the settings ask for.

    Args:
        rate: messages per second of one session; 0 for no limit.
        settings: the plugin's.
        clock: seconds that never go back.
    """
    found: list[Paced] = []
    if rate:
        found.append(SessionLimiter(rate, _burst(rate, settings.burst), clock=clock))
    for name, its_rate, its_burst, key in (
        ("address", settings.address_rate, settings.address_burst, address),
        ("identity", settings.identity_rate, settings.identity_burst, identity),
    ):
        if its_rate:
            burst = _burst(its_rate, its_burst)
            found.append(
                KeyLimiter(f"ratelimit_{name}", its_rate, burst, key, clock=clock, limit=settings.max_tracked)
            )
    return found


class Paced:
    """What the limiters of this plugin have in common.

    Args:
        name: the limiter's.
        rate: messages per second.
        burst: messages at once.
        clock: seconds that never go back.
    """

    def __init__(self, name: str, rate: float, burst: float, *, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self.pace(rate, burst)

    def pace(self, rate: float, burst: float) -> None:
        """Have this rate and this burst from here on. What has been taken stays taken."""
        self.rate = rate
        self.burst = burst
        self._interval = 1 / rate
        self._tolerance = burst / rate

    def take(self, session: Session, cost: float = 1.0) -> float:
        """See `rtcore.spi.limiter.Limiter`."""
        raise NotImplementedError


class SessionLimiter(Paced):
    """See `rtcore.spi.limiter.Limiter`: an allowance for each session. Its state goes with the session.

    Args:
        rate: messages per second.
        burst: messages at once.
        clock: seconds that never go back.
    """

    def __init__(self, rate: float, burst: float, *, clock: Clock) -> None:
        super().__init__("ratelimit", rate, burst, clock=clock)

    def take(self, session: Session, cost: float = 1.0) -> float:
        now = self._clock()
        extra = session.extra
        try:  # costs nothing, and reading like this half of what `get` does
            arrival: float = extra[self]
        except KeyError:
            arrival = now
        if arrival < now:  # noqa: PLR1730 - a call of `max` costs three times as much, for each message
            arrival = now
        arrival += cost * self._interval
        wait = arrival - now - self._tolerance
        if wait > _SLACK:
            return wait
        extra[self] = arrival
        return 0.0

    def give_back(self, session: Session, cost: float = 1.0) -> None:
        session.extra[self] -= cost * self._interval


class KeyLimiter(Paced):
    """See `rtcore.spi.limiter.Limiter`: an allowance for all sessions that have something in common.

    Args:
        name: the limiter's.
        rate: messages per second.
        burst: messages at once.
        key: what they have in common; `None`: this session is not limited.
        clock: seconds that never go back.
        limit: keys that are remembered. Beyond it the one that was heard of the longest ago is forgotten, and may
            send a burst again.
    """

    def __init__(self, name: str, rate: float, burst: float, key: Key, *, clock: Clock, limit: int) -> None:
        super().__init__(name, rate, burst, clock=clock)
        self._key = key
        self._limit = limit
        self._arrivals: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, session: Session, cost: float = 1.0) -> float:
        key = self._key(session)
        if key is None:
            return 0.0
        now = self._clock()
        arrivals = self._arrivals
        arrival = max(arrivals.get(key, now), now) + cost * self._interval
        wait = arrival - now - self._tolerance
        if wait > _SLACK:
            return wait
        arrivals[key] = arrival
        arrivals.move_to_end(key)
        if len(arrivals) > self._limit:
            arrivals.popitem(last=False)
        return 0.0

    def give_back(self, session: Session, cost: float = 1.0) -> None:
        key = self._key(session)
        if key in self._arrivals:
            self._arrivals[key] -= cost * self._interval


def identity(session: Session) -> Hashable:
    """Return who it is; nobody in particular is not limited together with everybody else who is nobody."""
    return None if session.identity.anonymous else session.identity.subject


def address(session: Session) -> Hashable:
    """Return where it comes from: an IPv4 address, the first 64 bits of an IPv6 address (RFC 6177), or the text."""
    connection = session.connection
    if connection is None:
        return None
    known = session.extra.get(address)
    if known is not None and known[0] is connection:
        return known[1]  # type: ignore[no-any-return]  # what was put there below
    key = _network(connection.handshake.peer)
    session.extra[address] = (connection, key)
    return key


def _network(peer: str) -> Hashable:
    """Return what of an address is one customer's.

    >>> _network("2001:db8::1") == _network("2001:db8::2:0:0:1") == "2001:db8::/64"
    True
    >>> _network("192.0.2.1"), _network("::ffff:192.0.2.1"), _network("a pipe"), _network("")
    ('192.0.2.1', '192.0.2.1', 'a pipe', None)
    """
    try:
        found = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer or None
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found.ipv4_mapped)
    return str(found)


def _burst(rate: float, burst: int | None) -> float:
    return max(1.0, 2 * rate) if burst is None else burst
