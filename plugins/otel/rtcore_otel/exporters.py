"""Exporters by name, imported when they are wanted: OTLP over HTTP takes 50 ms to import, over gRPC 100.

`console` and `otlp` are known here. Any other name is an entry point of the SDK's own groups, such as the
`prometheus` of opentelemetry-exporter-prometheus.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter, MetricReader
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader as Periodic
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter

from rtcore_otel.plan import Plan, Signal


class MissingError(Exception):
    """An exporter that is wanted is not installed. `mend` says what to do."""

    def __init__(self, what: str, mend: str) -> None:
        self.mend = mend
        super().__init__(what)


def span_exporter(name: str, plan: Plan) -> SpanExporter:
    """Make one.

    Raises:
        MissingError: nothing installed has the name, or a piece of it is missing.
    """
    if name == "console":
        return ConsoleSpanExporter(out=sys.stdout)
    exporter: SpanExporter
    if name == "otlp":
        cls, arguments = _otlp(plan.traces, plan)
        exporter = cls(**arguments)
    else:
        exporter = _installed(name, "traces")()
    return exporter


def metric_reader(name: str, plan: Plan) -> tuple[MetricReader, Callable[[], object]]:
    """Make one that exports every `metrics_interval` seconds, or when it is asked (prometheus).

    Returns:
        The reader, and what makes its exporter give up.

    Raises:
        MissingError: nothing installed has the name, or a piece of it is missing.
    """
    exporter: MetricExporter
    if name == "console":
        exporter = ConsoleMetricExporter(out=sys.stdout)
    elif name == "otlp":
        cls, arguments = _otlp(plan.metrics, plan)
        exporter = cls(**arguments)
    else:
        made = _installed(name, "metrics")()
        if isinstance(made, MetricReader):
            return made, lambda: None
        exporter = made
    interval = plan.settings.metrics_interval
    reader = Periodic(exporter, export_interval_millis=None if interval is None else interval * 1000)
    return reader, exporter.shutdown


def _otlp(signal: Signal, plan: Plan) -> tuple[Any, dict[str, Any]]:
    """Return the class and its arguments; what is left out of them the exporter reads from its variables."""
    settings, arguments = plan.settings, dict[str, Any]()
    if settings.timeout is not None:
        arguments["timeout"] = settings.timeout
    if settings.headers:
        arguments["headers"] = {name.lower(): value for name, value in settings.headers.items()}
    traces = signal.name == "traces"
    if signal.protocol == "grpc":
        if settings.endpoint is not None:
            arguments["endpoint"] = settings.endpoint
        try:
            if traces:
                from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Grpc

                return Grpc, arguments
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
                OTLPMetricExporter as GrpcMetrics,
            )
        except ImportError as error:
            raise MissingError(
                "OTLP over gRPC is not installed", "pip install 'rtcore-otel[grpc]'"
            ) from error
        return GrpcMetrics, arguments
    if signal.protocol != "http/protobuf":
        raise MissingError(f"OTLP does not travel by {signal.protocol!r} here", "take http/protobuf or grpc")
    if settings.endpoint is not None:
        arguments["endpoint"] = f"{settings.endpoint.rstrip('/')}/v1/{signal.name}"
    if traces:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Http

        return Http, arguments
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics

    return HttpMetrics, arguments


def _installed(name: str, signal: str) -> Any:
    group = f"opentelemetry_{signal}_exporter"
    for entry in entry_points(group=group, name=name):
        return entry.load()
    raise MissingError(
        f"no installed distribution has an exporter of {signal} named {name!r}",
        f"install one with an entry point in {group}, or take console, otlp or none",
    )
