"""What our tracer provider is made with: who is sampled, and where spans go while the app runs."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import (
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from rtcore.tracing import DECIDED


class DecidedSampler(Sampler):
    """Records spans whose context says that they were sampled already; asks another sampler about the rest.

    `Tracing` throws the dice before it makes a span: a second throw here would square the ratio. The trace state
    is left behind: it is somebody else's.
    """

    def __init__(self, otherwise: Sampler) -> None:
        self._otherwise = otherwise

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if parent_context is not None and parent_context.get(DECIDED):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._otherwise.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return f"Decided{{otherwise:{self._otherwise.get_description()}}}"


def sampler(ratio: float) -> Sampler:
    """Return the sampler for a provider: children follow their parents, other roots have the ratio."""
    return DecidedSampler(ParentBased(TraceIdRatioBased(ratio)))


class Outlets(SpanProcessor):
    """Hands spans to those processors that live now. A provider cannot lose one, and an app may start again."""

    def __init__(self) -> None:
        self.processors: Sequence[SpanProcessor] = ()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        for processor in self.processors:
            processor.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        for processor in self.processors:
            processor.on_end(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return all(processor.force_flush(timeout_millis) for processor in self.processors)
