"""Trace context goes out with what is sent in a recorded span, and comes in with what is delivered. No SDK here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
    get_current_span,
    use_span,
)
from rtcore_client import tracing

from rtcore.wire.message import Message

TRACE = 0x0AF7651916CD43DD8448EB211C80319C
THEIRS = f"00-{TRACE:032x}-b7ad6b7169203331-01"


class Recorded(NonRecordingSpan):
    """Counts its ends and keeps what was raised."""

    def __init__(self, context: SpanContext) -> None:
        super().__init__(context)
        self.ends, self.raised = 0, list[BaseException]()

    def is_recording(self) -> bool:
        return not self.ends

    def end(self, end_time: int | None = None) -> None:
        self.ends += 1

    def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None:
        assert not self.ends, "nothing is recorded after the end"
        self.raised.append(exception)


class FakeTracer(Tracer):
    def __init__(self) -> None:
        self.spans: list[Recorded] = []
        self.names: list[tuple[str, SpanKind]] = []

    def start_span(
        self, name: str, context: Any = None, kind: SpanKind = SpanKind.INTERNAL, *_: Any, **__: Any
    ) -> Recorded:
        parent = get_current_span(context).get_span_context()
        span = Recorded(
            SpanContext(parent.trace_id, 0xB0 + len(self.spans), is_remote=False, trace_flags=TraceFlags(1))
        )
        self.spans.append(span)
        self.names.append((name, kind))
        return span

    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Iterator[Span]:
        raise NotImplementedError
        yield


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> FakeTracer:
    tracer = FakeTracer()
    monkeypatch.setattr(tracing, "_tracer", lambda: tracer)
    return tracer


def current(flags: int) -> Any:
    here = SpanContext(TRACE, 0xB7AD6B7169203331, is_remote=False, trace_flags=TraceFlags(flags))
    return use_span(NonRecordingSpan(here))


def test_what_is_sent_in_a_recorded_span_carries_its_context() -> None:
    message = Message("chat:message")
    with current(1):
        tracing.start_send(message)
    assert message.trace == THEIRS


def test_what_is_sent_outside_of_one_carries_nothing() -> None:
    first, second = Message("a"), Message("a")
    tracing.start_send(first)
    with current(0):
        tracing.start_send(second)
    assert (first.trace, second.trace) == (None, None)


def test_a_callback_runs_in_a_span_of_the_senders_trace(tracer: FakeTracer) -> None:
    message = Message("chat:message", trace=THEIRS)
    seen = tracing.deliver(message, lambda m: (m, get_current_span()))
    (span,) = tracer.spans
    assert seen == (message, span)
    assert span.get_span_context().trace_id == TRACE
    assert (tracer.names, span.ends) == ([("process chat:message", SpanKind.CONSUMER)], 1)
    assert get_current_span() is trace.INVALID_SPAN


async def test_an_async_callback_keeps_it_until_it_is_done(tracer: FakeTracer) -> None:
    async def callback(_message: Message) -> Span:
        return get_current_span()

    answer = tracing.deliver(Message("a", trace=THEIRS), callback)
    assert tracer.spans[0].ends == 0
    assert await answer is tracer.spans[0]
    assert tracer.spans[0].ends == 1


async def test_what_a_callback_raises_is_noted_and_passes_on(tracer: FakeTracer) -> None:
    def plain(_message: Message) -> None:
        raise ZeroDivisionError

    async def later(_message: Message) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tracing.deliver(Message("a", trace=THEIRS), plain)
    with pytest.raises(ZeroDivisionError):
        await tracing.deliver(Message("a", trace=THEIRS), later)
    assert [(span.ends, [type(error) for error in span.raised]) for span in tracer.spans] == [
        (1, [ZeroDivisionError]),
        (1, [ZeroDivisionError]),
    ]


@pytest.mark.parametrize("theirs", [None, THEIRS[:-1] + "0", "nonsense", "x" * 54 + "1"])
def test_without_a_recorded_trace_a_callback_is_just_called(theirs: str | None, tracer: FakeTracer) -> None:
    assert tracing.deliver(Message("a", trace=theirs), lambda m: m.type) == "a"
    assert tracer.spans == []


def test_without_an_sdk_the_context_is_still_current() -> None:
    seen: Sequence[Span] = [tracing.deliver(Message("a", trace=THEIRS), lambda _m: get_current_span())]
    assert seen[0].get_span_context().trace_id == TRACE


def test_without_opentelemetry_the_client_sends_and_delivers() -> None:
    code = """
import sys
sys.modules["opentelemetry"] = None
from rtcore.wire.message import Message
from rtcore_client import tracing
message = Message("a", trace="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
tracing.start_send(message)
assert tracing.deliver(message, lambda m: m.type) == "a"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
