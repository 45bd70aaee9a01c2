"""Metrics: plain counters, how things stand by them, and the instruments that read them.

Rule: counting is `+= 1` on a slot, 0.03 µs; an instrument's `add` costs 5. What exports metrics comes and reads
the integers when it wants to, from its own thread. `Tracing` is found here too; its home is `rtcore.tracing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs
from opentelemetry.metrics import Observation

from rtcore.tracing import DECIDED, AttachSpan, Tracing
from rtcore.wire.codes import DROP_REASONS

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter

__all__ = [
    "DECIDED",
    "SCOPE",
    "AttachSpan",
    "Counters",
    "Metrics",
    "Tracing",
    "TransportCounters",
    "TransportMetrics",
    "register_metrics",
]

#: The name of the instrumentation scope of all our spans and instruments.
SCOPE: Final = "rtcore"


class TransportCounters:
    """What one transport does: `connections` that live now, and `attaches` since the start."""

    __slots__ = ("attaches", "connections")

    def __init__(self) -> None:
        self.connections = self.attaches = 0


class Counters:
    """Everything that metrics read, as plain integers. Written only in the event loop, read from any thread.

    Attributes:
        messages_received, messages_sent: messages of sessions, counted as the wire counts them.
        bytes_received: of frames, hello and control included; without HTTP, TLS and TCP.
        bytes_sent: of frames, control and replays included.
        attaches: hellos that were accepted; `resumes`: those of them that took a session up again.
        sessions_opened, sessions_closed: what their names say; the difference is how many there are.
        evictions: detached sessions that had to go, by the option whose bound was reached.
        errors: answers to messages, by code. `refusals`: connections that were turned away, by code.
        drops: messages dropped, by the reasons of `rtcore.wire.codes.DROP_REASONS`.
        transports: the split by transport; get one's row with `transport(name)`, once, and keep it.
    """

    __slots__ = (
        "_clock", "_started", "attaches", "bytes_received", "bytes_sent", "drops", "errors", "evictions",
        "messages_received", "messages_sent", "refusals", "resumes", "sessions_closed", "sessions_opened", "transports",
    )  # fmt: skip

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._started = clock, clock()
        self.messages_received = self.messages_sent = self.bytes_received = self.bytes_sent = 0
        self.attaches = self.resumes = self.sessions_opened = self.sessions_closed = 0
        self.errors: dict[str, int] = {}
        self.evictions: dict[str, int] = {}
        self.refusals: dict[str, int] = {}
        self.drops: dict[str, int] = dict.fromkeys(DROP_REASONS, 0)
        self.transports: dict[str, TransportCounters] = {}

    def transport(self, name: str) -> TransportCounters:
        """Return the row of one transport; made at the first call."""
        row = self.transports.get(name)
        if row is None:
            row = self.transports[name] = TransportCounters()
        return row

    def error(self, code: str) -> None:
        """Count an error that was answered."""
        self.errors[code] = self.errors.get(code, 0) + 1

    def evict(self, bound: str) -> None:
        """Count a detached session that had to go; `bound` is the option that says so."""
        self.evictions[bound] = self.evictions.get(bound, 0) + 1

    def refuse(self, code: str) -> None:
        """Count a connection that was turned away."""
        self.refusals[code] = self.refusals.get(code, 0) + 1

    @property
    def sessions(self) -> int:
        """How many sessions live, with a connection or without."""
        return self.sessions_opened - self.sessions_closed

    @property
    def uptime(self) -> float:
        """Seconds since this object was made."""
        return self._clock() - self._started

    def drop(self, reason: str, n: int = 1) -> None:
        """Count dropped messages. A reason that `DROP_REASONS` does not name is a `KeyError`: a bug."""
        self.drops[reason] += n

    def snapshot(self) -> Metrics:
        """Return how things stand now. Safe from any thread: copying a dict of strings is one step."""
        errors, received = self.errors.copy(), self.messages_received
        rows = {
            name: TransportMetrics(row.connections, row.attaches)
            for name, row in self.transports.copy().items()
        }
        return Metrics(
            connection_count=sum(row.connections for row in rows.values()),
            session_count=self.sessions,
            messages_sent=self.messages_sent,
            messages_received=received,
            bytes_sent=self.bytes_sent,
            bytes_received=self.bytes_received,
            error_rate=sum(errors.values()) / received if received else 0.0,
            uptime=self.uptime,
            attaches=self.attaches,
            resumes=self.resumes,
            sessions_opened=self.sessions_opened,
            sessions_closed=self.sessions_closed,
            drops=self.drops.copy(),
            evictions=self.evictions.copy(),
            errors=errors,
            refusals=self.refusals.copy(),
            transports=rows,
        )


@attrs.frozen
class TransportMetrics:
    """One transport: connections that live now, and attaches since the start."""

    connections: int
    attaches: int


@attrs.frozen(kw_only=True)
class Metrics:
    """How things stand: what `manager.get_metrics()` returns. Totals are since the start of the app.

    Attributes:
        connection_count, session_count: those that live now.
        error_rate: errors answered per message received; 0.0 when nothing was received.
        uptime: seconds.
        drops: by reason; every reason of `DROP_REASONS` is there.
        evictions: of detached sessions, by the option whose bound was reached; only those that happened.
        errors, refusals: by code; only those that happened.
        transports: by name; only those that had a connection.
    """

    connection_count: int
    session_count: int
    messages_sent: int
    messages_received: int
    bytes_sent: int
    bytes_received: int
    error_rate: float
    uptime: float
    attaches: int
    resumes: int
    sessions_opened: int
    sessions_closed: int
    drops: Mapping[str, int]
    evictions: Mapping[str, int]
    errors: Mapping[str, int]
    refusals: Mapping[str, int]
    transports: Mapping[str, TransportMetrics]

    def as_dict(self) -> dict[str, Any]:
        """Return it as nested dicts that any codec can express."""
        return attrs.asdict(self)


def register_metrics(meter: Meter, counters: Counters) -> Callable[[], None]:
    """Make the instruments that read `counters`; plugins/otel/README.md lists them.

    Returns:
        A function that ends it: an instrument cannot be removed from a meter, so it observes nothing any more.
    """
    live = True

    def observe(
        read: Callable[[], Iterable[Observation]],
    ) -> list[Callable[[CallbackOptions], Iterable[Observation]]]:
        return [lambda _: read() if live else ()]

    def one(name: str) -> Callable[[], Iterable[Observation]]:
        return lambda: [Observation(getattr(counters, name))]

    def each(name: str, key: str) -> Callable[[], Iterable[Observation]]:
        return lambda: [Observation(n, {key: of}) for of, n in getattr(counters, name).copy().items()]

    def rows(name: str) -> Callable[[], Iterable[Observation]]:
        return lambda: [
            Observation(getattr(row, name), {"rtcore.transport": transport})
            for transport, row in counters.transports.copy().items()
        ]

    total, now = meter.create_observable_counter, meter.create_observable_up_down_counter
    total(
        "rtcore.messages.received",
        observe(one("messages_received")),
        "{message}",
        "Messages that clients sent",
    )
    total(
        "rtcore.messages.sent",
        observe(one("messages_sent")),
        "{message}",
        "Messages that went out to clients",
    )
    total(
        "rtcore.messages.dropped",
        observe(each("drops", "rtcore.drop.reason")),
        "{message}",
        "Messages dropped",
    )
    total("rtcore.bytes.received", observe(one("bytes_received")), "By", "Bytes of frames that clients sent")
    total("rtcore.bytes.sent", observe(one("bytes_sent")), "By", "Bytes of frames that went out to clients")
    total(
        "rtcore.errors", observe(each("errors", "error.type")), "{error}", "Messages answered with an error"
    )
    total(
        "rtcore.refusals", observe(each("refusals", "error.type")), "{connection}", "Connections turned away"
    )
    total("rtcore.attaches", observe(rows("attaches")), "{attach}", "Hellos that were accepted")
    total("rtcore.resumes", observe(one("resumes")), "{attach}", "Attaches that took a session up again")
    total("rtcore.sessions.opened", observe(one("sessions_opened")), "{session}", "Sessions that began")
    total("rtcore.sessions.closed", observe(one("sessions_closed")), "{session}", "Sessions that ended")
    total(
        "rtcore.sessions.evicted",
        observe(each("evictions", "rtcore.eviction.bound")),
        "{session}",
        "Detached sessions that had to go",
    )
    now(
        "rtcore.sessions.count",
        observe(lambda: [Observation(counters.sessions)]),
        "{session}",
        "Sessions that live",
    )
    now("rtcore.connections.count", observe(rows("connections")), "{connection}", "Connections that live")
    meter.create_observable_gauge(
        "rtcore.uptime", observe(lambda: [Observation(counters.uptime)]), "s", "Time since the app was made"
    )

    def stop() -> None:
        nonlocal live
        live = False

    return stop
