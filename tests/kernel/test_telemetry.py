"""Counters and what reads them; spans, whose they are and what they carry. A tracer of the API's kind, no SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import pytest
from opentelemetry.context import Context, get_current
from opentelemetry.metrics import CallbackOptions, NoOpMeter, Observation
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    get_current_span,
    use_span,
)

from rtcore.errors import Rejected
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake
from rtcore.telemetry import Counters, Tracing, register_metrics
from rtcore.tracing import DECIDED
from rtcore.wire.codes import DROP_REASONS
from rtcore.wire.message import Message
from rtcore.wire.trace import TraceContext, parse, recorded

THEIRS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
THEIR_TRACE = 0x0AF7651916CD43DD8448EB211C80319C


class FakeSpan(Span):
    """Remembers what it was told."""

    def __init__(self, name: str, context: SpanContext, parent: SpanContext | None) -> None:
        self.name, self.context, self.parent = name, context, parent
        self.kind = SpanKind.INTERNAL
        self.links: Sequence[Link] = ()
        self.attributes: dict[str, Any] = {}
        self.status: StatusCode | None = None
        self.exceptions: list[BaseException] = []
        self.ends = 0
        self.decided = False

    def end(self, end_time: int | None = None) -> None:
        self.ends += 1

    def get_span_context(self) -> SpanContext:
        return self.context

    def set_attributes(self, attributes: Any) -> None:
        self.attributes.update(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        raise NotImplementedError

    def update_name(self, name: str) -> None:
        self.name = name

    def is_recording(self) -> bool:
        return self.ends == 0

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status

    def record_exception(
        self,
        exception: BaseException,
        attributes: Any = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        self.exceptions.append(exception)


class FakeTracer(Tracer):
    """Keeps the spans that it made, in order."""

    def __init__(self) -> None:
        self.spans: list[FakeSpan] = []

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> FakeSpan:
        parent = get_current_span(context).get_span_context()
        trace_id = parent.trace_id if parent.is_valid else 0xA000 + len(self.spans)
        here = SpanContext(trace_id, 0xB000 + len(self.spans), is_remote=False, trace_flags=TraceFlags(1))
        span = FakeSpan(name, here, parent if parent.is_valid else None)
        span.kind, span.links, span.attributes = kind, links or (), dict(attributes or {})
        span.decided = bool((context or {}).get(DECIDED))
        self.spans.append(span)
        return span

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[Span]:
        with use_span(self.start_span(name), end_on_exit=True) as span:
            yield span


@attrs.frozen
class FakeSession:
    id: str = "n1-abc"
    transport: str | None = "websocket"
    identity: Identity = attrs.field(default=Identity("ada"))


@pytest.fixture
def tracer() -> FakeTracer:
    return FakeTracer()


def thrown(*numbers: float) -> Callable[[], float]:
    """A dice that shows these numbers, and then runs out."""
    return iter(numbers).__next__


def always(tracer: FakeTracer, **more: Any) -> Tracing:
    return Tracing(tracer, ratio=1.0, **more)


def never(tracer: FakeTracer, **more: Any) -> Tracing:
    return Tracing(tracer, ratio=0.0, **more)


# -- the traceparent -------------------------------------------------------------------------------------


def test_a_traceparent_survives_parsing_and_writing() -> None:
    context = parse(THEIRS)
    assert context == TraceContext(THEIR_TRACE, 0xB7AD6B7169203331, 1)
    assert str(context) == THEIRS


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        THEIRS.upper(),
        THEIRS + "-more",
        THEIRS + "0",
        "ff" + THEIRS[2:],
        "01" + THEIRS[2:] + "x",
        THEIRS.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        THEIRS.replace("b7ad6b7169203331", "0" * 16),
        "x" * 1_000_000,
    ],
)
def test_an_invalid_traceparent_is_none(text: str) -> None:
    assert parse(text) is None


def test_a_later_version_may_carry_more() -> None:
    assert parse("01" + THEIRS[2:] + "-what-the-future-brings") == parse(THEIRS)


def test_the_flag_is_read_without_parsing() -> None:
    assert recorded(THEIRS)
    assert recorded(THEIRS[:-1] + "3")
    assert not recorded(THEIRS[:-1] + "0")
    assert not recorded(THEIRS[:-1])


# -- which messages get a span ------------------------------------------------------------------------------


def test_the_ratio_decides(tracer: FakeTracer) -> None:
    tracing = Tracing(tracer, ratio=0.25, dice=thrown(0.2, 0.25, 0.9))
    assert [tracing.sampled(Message("a")) for _ in range(3)] == [True, False, False]


def test_a_strangers_flag_changes_nothing(tracer: FakeTracer) -> None:
    assert not never(tracer).sampled(Message("a", trace=THEIRS))


def test_a_trusted_flag_is_followed_without_the_dice(tracer: FakeTracer) -> None:
    tracing = Tracing(tracer, ratio=0.0, trust=True, dice=thrown(0.5))
    assert tracing.sampled(Message("a", trace=THEIRS))
    assert not tracing.sampled(Message("a", trace=THEIRS[:-1] + "0"))


def test_where_some_are_trusted_a_strangers_flag_throws_the_dice_once(tracer: FakeTracer) -> None:
    tracing = Tracing(
        tracer, ratio=0.5, trust=lambda session: "trace" in session.identity.scopes, dice=thrown(0.9)
    )
    message = Message("a", trace=THEIRS)
    assert tracing.sampled(message)
    assert tracing.handle(FakeSession(), message, lambda: "answer") == "answer"
    assert tracer.spans == []

    friend = FakeSession(identity=Identity("worker", scopes=frozenset({"trace"})))
    tracing.handle(friend, message, lambda: None)
    assert tracer.spans[0].context.trace_id == THEIR_TRACE


# -- handlers -------------------------------------------------------------------------------------------------


def test_a_plain_handler_runs_inside_its_span(tracer: FakeTracer) -> None:
    message = Message("chat:message", "hello", id="r1", room="lobby")
    current = always(tracer).handle(FakeSession(), message, get_current_span)
    (span,) = tracer.spans
    assert current is span
    assert (span.name, span.kind, span.ends) == ("process chat:message", SpanKind.CONSUMER, 1)
    assert span.decided, "a sampler must see that the ratio has spoken"
    assert span.attributes == {
        "messaging.system": "rtcore",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "lobby",
        "messaging.destination.template": "chat:message",
        "messaging.message.id": "r1",
        "rtcore.message.type": "chat:message",
        "rtcore.transport": "websocket",
        "session.id": "n1-abc",
    }
    assert not get_current_span().get_span_context().is_valid, "nothing stays current"


async def test_an_async_handler_keeps_its_span_across_awaits(tracer: FakeTracer) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    seen: list[Span] = []

    async def handler() -> str:
        seen.append(get_current_span())
        begun.set()
        await gate.wait()
        seen.append(get_current_span())
        return "done"

    task = asyncio.create_task(always(tracer).handle(FakeSession(), Message("a"), handler))
    await begun.wait()
    (span,) = tracer.spans
    assert span.ends == 0
    gate.set()
    assert await task == "done"
    assert seen == [span, span]
    assert span.ends == 1


async def test_two_handlers_at_once_do_not_share_a_span(tracer: FakeTracer) -> None:
    async def handler() -> Span:
        await asyncio.sleep(0)
        return get_current_span()

    tracing = always(tracer)
    handled = [tracing.handle(FakeSession(), Message(t), handler) for t in "ab"]
    assert await asyncio.gather(*handled) == tracer.spans


def test_a_pattern_keeps_names_few(tracer: FakeTracer) -> None:
    always(tracer).handle(FakeSession(), Message("chat:x"), lambda: None, pattern="chat:*")
    assert tracer.spans[0].name == "process chat:*"
    assert tracer.spans[0].attributes["rtcore.message.type"] == "chat:x"


def test_a_strangers_context_is_a_link_on_a_trace_of_our_own(tracer: FakeTracer) -> None:
    message = Message("a", trace=THEIRS)
    always(tracer).handle(FakeSession(), message, lambda: None)
    (span,) = tracer.spans
    assert span.parent is None
    assert span.context.trace_id != THEIR_TRACE
    assert [link.context.trace_id for link in span.links] == [THEIR_TRACE]


def test_a_trusted_context_is_continued(tracer: FakeTracer) -> None:
    message = Message("a", trace=THEIRS)
    never(tracer, trust=True).handle(FakeSession(), message, lambda: None)
    (span,) = tracer.spans
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (THEIR_TRACE, 0xB7AD6B7169203331)
    assert not span.links


def test_nonsense_in_the_trace_field_is_no_parent_and_no_link(tracer: FakeTracer) -> None:
    message = Message("a", trace="nonsense")
    always(tracer, trust=True).handle(FakeSession(), message, lambda: None)
    assert (tracer.spans[0].parent, tracer.spans[0].links) == (None, ())


def test_a_bug_in_a_handler_is_an_error_of_the_span_and_passes_on(tracer: FakeTracer) -> None:
    def handler() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        always(tracer).handle(FakeSession(), Message("a"), handler)
    (span,) = tracer.spans
    assert (span.status, span.attributes["error.type"], span.ends) == (
        StatusCode.ERROR,
        "ZeroDivisionError",
        1,
    )
    assert len(span.exceptions) == 1


async def test_a_refusal_leaves_its_code_and_no_stack(tracer: FakeTracer) -> None:
    async def handler() -> None:
        raise Rejected("not_a_member")

    with pytest.raises(Rejected):
        await always(tracer).handle(FakeSession(), Message("a"), handler)
    (span,) = tracer.spans
    assert (span.status, span.attributes["error.type"], span.exceptions) == (None, "not_a_member", [])


async def test_a_cancelled_handler_ends_its_span(tracer: FakeTracer) -> None:
    async def handler() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(always(tracer).handle(FakeSession(), Message("a"), handler))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (span,) = tracer.spans
    assert (span.attributes["error.type"], span.ends) == ("cancelled", 1)


# -- publishes --------------------------------------------------------------------------------------------------


def test_a_publish_in_a_handler_is_one_span_of_its_trace_and_goes_to_the_receivers(
    tracer: FakeTracer,
) -> None:
    tracing = Tracing(tracer, ratio=0.0, trust=True)
    out = Message("chat:message", room="lobby")

    def handler() -> None:
        tracing.publish(out, 4000)

    tracing.handle(FakeSession(), Message("a", trace=THEIRS), handler)
    process, publish = tracer.spans
    assert publish.parent == process.context
    assert (publish.name, publish.kind, publish.ends) == ("publish chat:message", SpanKind.PRODUCER, 1)
    assert publish.attributes["rtcore.recipients"] == 4000
    assert publish.attributes["messaging.destination.name"] == "lobby"
    assert out.trace == str(TraceContext(THEIR_TRACE, publish.context.span_id, 1))


def test_a_publish_of_nobodys_request_is_sampled_by_the_ratio(tracer: FakeTracer) -> None:
    tracing = Tracing(tracer, ratio=0.5, dice=thrown(0.9, 0.1))
    first, second = Message("tick"), Message("tick")
    tracing.publish(first, 1)
    tracing.publish(second, 1)
    assert first.trace is None
    assert second.trace is not None
    assert [span.decided for span in tracer.spans] == [True]


def test_a_publish_that_is_not_recorded_carries_nobodys_trace(tracer: FakeTracer) -> None:
    relayed = Message("chat:message", trace=THEIRS)
    never(tracer).publish(relayed, 3)
    assert relayed.trace is None


def test_a_relayed_message_of_a_trusted_client_stays_in_its_trace(tracer: FakeTracer) -> None:
    relayed = Message("chat:message", trace=THEIRS)
    never(tracer, trust=True).publish(relayed, 3, session=FakeSession())
    assert relayed.trace is not None
    assert relayed.trace != THEIRS
    assert parse(relayed.trace) == TraceContext(THEIR_TRACE, tracer.spans[0].context.span_id, 1)


def test_a_task_that_outlives_its_handler_does_not_extend_the_trace(tracer: FakeTracer) -> None:
    contexts: list[Context] = []
    always(tracer).handle(FakeSession(), Message("a"), lambda: contexts.append(get_current()))
    late = Message("tick")
    with use_span(get_current_span(contexts[0])):
        never(tracer).publish(late, 1)
    assert late.trace is None


# -- attaches -----------------------------------------------------------------------------------------------------


def test_an_attach_is_a_span_that_says_how_it_went(tracer: FakeTracer) -> None:
    shake = Handshake("websocket", peer="203.0.113.7", path="/rt/ws", token="hush")
    with never(tracer).attach_span(shake) as attach:
        attach.attached("n1-abc", resumed=False, reason="expired")
    (span,) = tracer.spans
    assert (span.name, span.kind, span.ends) == ("attach websocket", SpanKind.SERVER, 1)
    assert span.attributes == {
        "rtcore.transport": "websocket",
        "client.address": "203.0.113.7",
        "url.path": "/rt/ws",
        "session.id": "n1-abc",
        "rtcore.resumed": False,
        "rtcore.resume.reason": "expired",
    }


def test_a_refused_attach_leaves_its_code(tracer: FakeTracer) -> None:
    with pytest.raises(Rejected), never(tracer).attach_span(Handshake("sse")):
        raise Rejected("unauthenticated")
    assert tracer.spans[0].attributes["error.type"] == "unauthenticated"
    assert tracer.spans[0].ends == 1


def test_an_attach_that_is_answered_with_a_refusal_leaves_its_code_too(tracer: FakeTracer) -> None:
    with never(tracer).attach_span(Handshake("sse")) as attach:
        attach.refused("stale_attach")
    assert tracer.spans[0].attributes["error.type"] == "stale_attach"


def test_attaches_have_a_ratio_of_their_own(tracer: FakeTracer) -> None:
    tracing = Tracing(tracer, ratio=1.0, attach_ratio=0.0)
    with tracing.attach_span(Handshake("sse")) as attach:
        attach.attached("n1-abc", resumed=True)
    assert tracer.spans == []


# -- counters --------------------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_snapshot_says_how_things_stand() -> None:
    clock = Clock()
    counters = Counters(clock)
    counters.messages_received += 200
    counters.messages_sent += 50
    counters.error("unknown_type")
    counters.error("rate_limited")
    counters.drop("fenced")
    counters.drop("duplicate", 3)
    counters.refuse("server_full")
    counters.sessions_opened += 5
    counters.sessions_closed += 2
    counters.transport("websocket").connections += 2
    counters.transport("sse").connections += 1
    clock.now += 12.5

    metrics = counters.snapshot()
    assert (metrics.connection_count, metrics.session_count) == (3, 3)
    assert (metrics.messages_received, metrics.messages_sent, metrics.error_rate) == (200, 50, 0.01)
    assert metrics.uptime == 12.5
    assert {reason: n for reason, n in metrics.drops.items() if n} == {"fenced": 1, "duplicate": 3}
    assert metrics.drops.keys() == DROP_REASONS.keys()
    assert metrics.transports["websocket"].connections == 2
    assert json.loads(json.dumps(metrics.as_dict()))["refusals"] == {"server_full": 1}


def test_a_snapshot_does_not_change_afterwards() -> None:
    counters = Counters()
    before = counters.snapshot()
    counters.error("bad_message")
    counters.transport("sse")
    assert before.errors == before.transports == {}
    assert before.error_rate == 0.0


def test_a_drop_without_a_known_reason_is_a_bug() -> None:
    with pytest.raises(KeyError):
        Counters().drop("because")


class FakeMeter(NoOpMeter):
    """Keeps the callbacks by instrument."""

    def __init__(self) -> None:
        super().__init__("rtcore")
        self.callbacks: dict[str, Callable[[CallbackOptions], Iterable[Observation]]] = {}

    def _keep(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> Any:
        assert unit
        assert description
        (self.callbacks[name],) = callbacks

    create_observable_counter = create_observable_gauge = create_observable_up_down_counter = _keep

    def read(self, name: str) -> dict[str, float]:
        return {
            ",".join(map(str, (seen.attributes or {}).values())): seen.value
            for seen in self.callbacks[name](CallbackOptions())
        }


def test_instruments_read_the_counters() -> None:
    clock, meter = Clock(), FakeMeter()
    counters = Counters(clock)
    stop = register_metrics(meter, counters)
    counters.messages_received += 7
    counters.error("bad_payload")
    counters.sessions_opened += 1
    counters.transport("polling").connections += 4
    clock.now += 1
    assert meter.read("rtcore.messages.received") == {"": 7}
    assert meter.read("rtcore.errors") == {"bad_payload": 1}
    assert meter.read("rtcore.sessions.count") == {"": 1}
    assert meter.read("rtcore.connections.count") == {"polling": 4}
    assert meter.read("rtcore.messages.dropped")["fenced"] == 0
    assert meter.read("rtcore.uptime") == {"": 1.0}

    stop()
    assert all(meter.read(name) == {} for name in meter.callbacks)
