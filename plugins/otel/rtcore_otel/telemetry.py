"""The OpenTelemetry providers of one app, from its start to its end.

Rule: telemetry never holds the server up. Exports run in the SDK's threads; at the end they have `flush_timeout`
seconds, after which the exporters are told to give up and what they still held is lost, with a warning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api

from rtcore import __version__
from rtcore.errors import PluginError
from rtcore.telemetry import SCOPE, Counters, Tracing, register_metrics
from rtcore_otel.plan import Plan, Signal

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    from rtcore.session import Session
    from rtcore_otel.spans import Outlets

_log = logging.getLogger("rtcore.otel")


class Telemetry:
    """A service: `app.get(Telemetry)`. Handlers' own spans and instruments go where rtcore's do.

    Attributes:
        tracer_provider: for `get_tracer`; one that does nothing while there are no exporters of traces.
        meter_provider: for `get_meter`; set up when the app starts.
        tracing: what the kernel calls; `None` where no spans are made.
    """

    def __init__(self, plan: Plan, *, node: str) -> None:
        self.plan, self.node = plan, node
        self.tracer_provider: trace_api.TracerProvider = trace_api.NoOpTracerProvider()
        self.meter_provider: metrics_api.MeterProvider = metrics_api.NoOpMeterProvider()
        self.tracing: Tracing | None = None
        self._resource: Resource | None = None
        self._own: TracerProvider | None = None
        self._outlets: Outlets | None = None
        if plan.disabled:
            return
        if plan.settings.use_global:
            self.tracer_provider = trace_api.get_tracer_provider()
            self.meter_provider = metrics_api.get_meter_provider()
        elif plan.traces.exporters:
            self.tracer_provider = self._own = self._make_provider()
        else:
            return
        scope, settings = plan.settings.trust_scope, plan.settings

        def scoped(session: Session) -> bool:
            return scope in session.identity.scopes

        self.tracing = Tracing(
            self.tracer_provider.get_tracer(SCOPE, __version__),
            ratio=plan.ratio,
            attach_ratio=plan.attach_ratio,
            trust=scoped if scope and not settings.trust_peers else settings.trust_peers,
        )

    @asynccontextmanager
    async def running(self, counters: Counters) -> AsyncIterator[None]:
        """Export from here on; leave with everything flushed, or given up.

        Raises:
            PluginError: an exporter that the settings name is not installed.
        """
        settings, ends, stop = self.plan.settings, list[_End](), None
        try:
            if self._outlets is not None:
                ends += self._export_spans(self._outlets)
            if self.plan.metrics.exporters and not self.plan.disabled and not settings.use_global:
                ends += self._export_metrics()
            if settings.set_global:
                self._set_global()
            stop = register_metrics(self.meter_provider.get_meter(SCOPE, __version__), counters)
            yield
        finally:
            if self._outlets is not None:
                self._outlets.processors = ()
            await _close(ends, settings.flush_timeout)
            if stop is not None:
                stop()  # after the last export, which has read the counters once more

    def _make_provider(self) -> TracerProvider:
        from opentelemetry.sdk.trace import TracerProvider

        from rtcore_otel.spans import Outlets, sampler

        provider = TracerProvider(sampler(self.plan.ratio), self._make_resource(), shutdown_on_exit=False)
        self._outlets = Outlets()
        provider.add_span_processor(self._outlets)
        return provider

    def _make_resource(self) -> Resource:
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource

        if self._resource is None:
            # The node is in every session's id: that is how a trace is found from a user's complaint.
            attributes = {"rtcore.node": self.node}
            if self.plan.service is not None:
                attributes[SERVICE_NAME] = self.plan.service
            self._resource = Resource.create(attributes)
        return self._resource

    def _export_spans(self, outlets: Outlets) -> list[_End]:
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        from rtcore_otel.exporters import span_exporter

        exporters = self._made(self.plan.traces, span_exporter)
        processors = [BatchSpanProcessor(exporter) for exporter in exporters]
        outlets.processors = tuple(processors)
        return [
            _End("spans", processor.shutdown, exporter.shutdown)
            for processor, exporter in zip(processors, exporters, strict=True)
        ]

    def _export_metrics(self) -> list[_End]:
        from opentelemetry.sdk.metrics import MeterProvider

        from rtcore_otel.exporters import metric_reader

        made = self._made(self.plan.metrics, metric_reader)
        readers = [reader for reader, _ in made]
        self.meter_provider = MeterProvider(readers, resource=self._make_resource(), shutdown_on_exit=False)
        return [_End("metrics", reader.shutdown, abort) for reader, abort in made]

    def _made(self, signal: Signal, make: Callable[[str, Plan], Any]) -> list[Any]:
        from rtcore_otel.exporters import MissingError

        made = []
        for name in signal.exporters:
            try:
                made.append(make(name, self.plan))
            except MissingError as error:
                if signal.demanded:
                    raise PluginError(
                        "otel", str(error), distribution="rtcore-otel", mend=error.mend
                    ) from error
                # The variable may be meant for another program that runs here.
                _log.warning("%s are not exported to %s: %s; %s", signal.name, name, error, error.mend)
        return made

    def _set_global(self) -> None:
        if self._own is not None:
            trace_api.set_tracer_provider(self._own)
        if self.plan.metrics.exporters:
            metrics_api.set_meter_provider(self.meter_provider)


@attrs.frozen(eq=False)
class _End:
    """How one exporter ends: `flush` blocks until everything is out; `abort` makes it give up."""

    what: str
    flush: Callable[[], object]
    abort: Callable[[], object]


async def _close(ends: Sequence[_End], timeout: float) -> None:
    """Flush them all at once, for so many seconds; tell those to give up that are not done."""
    if not ends:
        return
    done: dict[_End, asyncio.Event] = {end: asyncio.Event() for end in ends}
    loop = asyncio.get_running_loop()

    def flush(end: _End) -> None:
        try:
            end.flush()
        except Exception:  # noqa: BLE001 - whatever an exporter raises ends here, with the thread
            _log.exception("the last export of %s failed", end.what)
        with contextlib.suppress(RuntimeError):  # the loop has gone: nobody waits any more
            loop.call_soon_threadsafe(done[end].set)

    for end in ends:
        # Daemons, not the loop's executor: a collector that never answers must not keep the process.
        threading.Thread(target=flush, args=(end,), name=f"rtcore-otel-flush-{end.what}", daemon=True).start()
    waits = [asyncio.ensure_future(event.wait()) for event in done.values()]
    await asyncio.wait(waits, timeout=timeout)
    for wait in waits:
        wait.cancel()
    for end, event in done.items():
        if not event.is_set():
            _log.warning("the last %s are lost: the exporter did not finish in %g s", end.what, timeout)
            end.abort()
