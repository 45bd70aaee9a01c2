"""What the plugin provides, and what it costs when there is nothing to do."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import rtcore_otel
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rtcore_otel import Telemetry

from rtcore.app import App
from rtcore.spi.transport import Handshake
from rtcore.telemetry import Tracing
from rtcore.wire.message import Message


def booted(**otel: Any) -> App:
    app = App({"otel": otel}, plugins=[rtcore_otel])
    app.boot()
    return app


def test_without_an_exporter_the_kernel_traces_nothing() -> None:
    app = booted()
    assert app.tracing is None
    assert app.find(Tracing) is None
    app.get(Telemetry).tracer_provider.get_tracer("anybody").start_span("harmless").end()


def test_without_an_exporter_the_sdk_is_not_even_imported() -> None:
    code = """
import sys, rtcore_otel
from rtcore.app import App
App({}, plugins=[rtcore_otel]).boot()
assert not [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_disabled_means_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert booted(exporter="console").tracing is None
    assert booted(use_global=True).tracing is None


async def test_console_prints_spans_and_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    app = App({"otel": {"exporter": "console"}}, plugins=[rtcore_otel])
    async with app:
        assert app.tracing is not None
        with app.tracing.attach_span(Handshake("websocket", token="hush")) as attach:
            attach.attached("n1.abc", resumed=False)
    printed = capsys.readouterr().out
    assert '"attach websocket"' in printed
    assert '"rtcore.sessions.opened"' in printed
    assert "hush" not in printed


def test_a_program_with_providers_of_its_own_gets_our_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = InMemorySpanExporter()
    theirs = TracerProvider(shutdown_on_exit=False)
    theirs.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    app = booted(use_global=True, sample_ratio=1.0)
    assert app.tracing is not None
    message = Message("tick")
    app.tracing.publish(message, 1)
    (span,) = memory.get_finished_spans()
    assert span.name == "publish tick"
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "rtcore"
    assert message.trace is not None
    assert f"{span.context.trace_id:032x}" in message.trace


def test_a_program_whose_sampler_says_no_carries_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    theirs = TracerProvider(ALWAYS_OFF, shutdown_on_exit=False)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    app = booted(use_global=True, sample_ratio=1.0)
    assert app.tracing is not None
    message = Message("tick")
    app.tracing.publish(message, 1)
    assert message.trace is None


async def test_ours_become_the_programs_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []
    monkeypatch.setattr(trace, "set_tracer_provider", given.append)
    async with App({"otel": {"exporter": "console", "set_global": True}}, plugins=[rtcore_otel]) as app:
        assert given == [app.get(Telemetry).tracer_provider]


def test_the_tracestate_of_a_peer_goes_nowhere() -> None:
    app = booted(exporter="console", trust_peers=True)
    assert app.tracing is not None
    handshake = Handshake(
        "websocket",
        headers={
            "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
            "tracestate": "vendor=secret",
            "baggage": "user=7",
        },
    )
    with app.tracing.attach_span(handshake) as attach:
        context = attach.span.get_span_context()
        assert context.trace_id == int("a" * 32, 16)
        assert not context.trace_state
