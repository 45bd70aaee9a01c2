"""Spans and metrics arrive at a real collector; one that is away or asleep holds nobody up."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
import rtcore_otel
from rtcore_otel import Telemetry

from rtcore.app import App
from rtcore.errors import PluginError
from rtcore.wire.message import Message


class Session:
    """As much of a session as a span wants to know."""

    id = "n1.abc"
    transport = "websocket"


def app(**otel: Any) -> App:
    return App({"otel": {"sample_ratio": 1.0, **otel}}, plugins=[rtcore_otel])


def run(main: Any) -> Any:
    return asyncio.run(main)


def handle(app: App, message: Message) -> Message:
    """Let a handler publish, as the kernel does."""
    assert app.tracing is not None
    out = Message("chat:message", "hello", room="lobby")
    tracing = app.tracing
    assert tracing.sampled(message)
    tracing.handle(Session(), message, lambda: tracing.publish(out, 42))
    return out


def test_spans_and_metrics_arrive(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-from=environment")

    async def main() -> str:
        server = app(endpoint=collector.url, headers={"X-Key": "hush"}, service_name="chat")
        async with server:
            server.manager.counters.messages_received += 7
            server.manager.counters.drop("fenced", 2)
            return handle(server, Message("chat:send", "hi")).trace or ""

    trace = run(main())
    process, publish = sorted(collector.spans, key=lambda span: span.name)
    assert (process.name, publish.name) == ("process chat:send", "publish chat:message")
    assert publish.parent_span_id == process.span_id
    assert trace.split("-")[1:3] == [publish.trace_id.hex(), publish.span_id.hex()]
    assert process.trace_id == publish.trace_id

    (resource,) = collector.resources
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("chat", "test")
    assert resource["rtcore.node"]
    assert all((sent["x-key"], sent["x-from"]) == ("hush", "environment") for sent in collector.headers)

    (received,) = collector.metrics["rtcore.messages.received"].sum.data_points
    assert received.as_int == 7
    dropped = {
        point.attributes[0].value.string_value: point.as_int
        for point in collector.metrics["rtcore.messages.dropped"].sum.data_points
    }
    assert dropped["fenced"] == 2
    assert collector.metrics["rtcore.uptime"].gauge.data_points


def test_the_standard_variables_are_enough(collector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "from-outside")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")

    async def main() -> None:
        server = App({}, plugins=[rtcore_otel])
        async with server:
            handle(server, Message("a"))

    run(main())
    assert len(collector.spans) == 2
    assert collector.resources[0]["service.name"] == "from-outside"
    assert collector.metrics == {}


def test_metrics_are_exported_while_the_server_runs(collector: Any) -> None:
    async def main() -> None:
        async with app(endpoint=collector.url, metrics_interval=0.05):
            await asyncio.to_thread(collector.taken.wait)
            assert "rtcore.uptime" in collector.metrics

    run(main())


def test_a_collector_that_is_not_there_costs_no_more_than_the_time_given(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"

    async def main() -> float:
        server = app(endpoint=nowhere, flush_timeout=0.3)
        async with server:
            for _ in range(10_000):  # more than the queue holds: the oldest go, the caller does not wait
                handle(server, Message("a"))
            await asyncio.sleep(0)
            begun = time.monotonic()
        return time.monotonic() - begun

    assert run(main()) < 2.0
    assert "the last spans are lost" in caplog.text


def test_a_collector_that_never_answers_costs_no_more_than_the_time_given(collector: Any) -> None:
    collector.silent = True

    async def main() -> float:
        server = app(endpoint=collector.url, flush_timeout=0.2)
        async with server:
            handle(server, Message("a"))
            begun = time.monotonic()
        return time.monotonic() - begun

    assert run(main()) < 2.0
    assert collector.asked.is_set()


def test_an_app_may_start_again(collector: Any) -> None:
    async def main() -> None:
        server = app(endpoint=collector.url)
        for _ in range(2):
            async with server:
                handle(server, Message("a"))

    run(main())
    assert len(collector.spans) == 4


def test_handlers_own_spans_go_the_same_way(collector: Any) -> None:
    async def main() -> None:
        server = app(endpoint=collector.url)
        async with server:
            tracer = server.get(Telemetry).tracer_provider.get_tracer("shop")

            def handler() -> None:
                with tracer.start_as_current_span("look up"):
                    pass

            assert server.tracing is not None
            server.tracing.handle(Session(), Message("buy"), handler)

    run(main())
    spans = {span.name: span for span in collector.spans}
    assert spans["look up"].parent_span_id == spans["process buy"].span_id


def test_spans_of_others_have_the_ratio_too(collector: Any) -> None:
    async def main() -> None:
        server = app(endpoint=collector.url, sample_ratio=0.0)
        async with server:
            tracer = server.get(Telemetry).tracer_provider.get_tracer("shop")
            for _ in range(100):
                tracer.start_span("sweep the floor").end()

    run(main())
    assert collector.spans == []


def test_grpc_works_or_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.grpc.trace_exporter", None)
    with pytest.raises(PluginError, match=r"pip install 'rtcore-otel\[grpc\]'"):
        run(app(exporter="otlp", protocol="grpc").start())


def test_an_exporter_that_only_a_variable_names_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "pigeon")

    async def main() -> None:
        async with App({}, plugins=[rtcore_otel]):
            pass

    run(main())
    assert "pigeon" in caplog.text
