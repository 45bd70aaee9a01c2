"""One trace: from a Python client through the server's handler and its publish to another Python client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_otel
import rtcore_rooms
import rtcore_websocket
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from rtcore_client import RealtimeClient
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.session import Session
from rtcore.wire.message import Message

PLUGINS = [rtcore_http, rtcore_websocket, rtcore_json, rtcore_memory, rtcore_rooms, rtcore_otel]


@pytest.fixture(scope="module")
def program() -> Iterator[InMemorySpanExporter]:
    """The provider of this program: clients and server find it as they would anywhere. It can be set only once."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    yield memory
    memory.shutdown()


@pytest.fixture
def memory(program: InMemorySpanExporter) -> InMemorySpanExporter:
    program.clear()
    return program


@pytest.fixture
async def app() -> AsyncIterator[App]:
    """A server that records nothing by itself: what is recorded here, a client has asked for."""
    otel = {"use_global": True, "sample_ratio": 0.0, "attach_ratio": 0.0, "trust_peers": True}
    app = App({"http": {"port": 0}, "otel": otel}, plugins=PLUGINS)

    @app.handler("chat:say")
    async def say(session: Session, message: Message) -> None:
        await asyncio.sleep(0)
        app.manager.send_to_room("lobby", Message("chat:said", message.payload), exclude=session)

    async with app:
        yield app


async def clients(app: App) -> tuple[RealtimeClient, RealtimeClient]:
    url = f"{app.get(Http).urls[0]}/rt"
    pair = RealtimeClient(url), RealtimeClient(url)
    for client in pair:
        await client.connect()
        await client.join_room("lobby")
    return pair


def named(memory: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    spans = memory.get_finished_spans()
    assert len({span.name for span in spans}) == len(spans), "no span is made twice"
    return {span.name: span for span in spans}


async def heard(client: RealtimeClient, type_: str) -> asyncio.Future[Message]:
    future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    client.subscribe(type_, future.set_result)
    return future


async def test_one_trace_from_a_client_through_the_handler_to_another_client(
    app: App, memory: InMemorySpanExporter
) -> None:
    ada, bob = await clients(app)
    async with ada, bob:
        arrived = await heard(bob, "chat:said")
        with trace.get_tracer("the program of Ada").start_as_current_span("a click"):
            await ada.send("chat:say", "hello")
        message = await arrived
    spans = named(memory)
    click, process = spans["a click"], spans["process chat:say"]
    publish, received = spans["publish chat:said"], spans["process chat:said"]
    assert len({span.context.trace_id for span in spans.values()}) == 1

    assert click.parent is None
    assert process.parent is not None
    assert publish.parent is not None
    assert received.parent is not None
    assert (process.parent.span_id, process.kind) == (click.context.span_id, SpanKind.CONSUMER)
    assert (publish.parent.span_id, publish.kind) == (process.context.span_id, SpanKind.PRODUCER)
    assert (received.parent.span_id, received.kind) == (publish.context.span_id, SpanKind.CONSUMER)
    assert process.parent.is_remote
    assert received.parent.is_remote

    assert message.payload == "hello"
    assert attributes(publish)["messaging.destination.name"] == "lobby"
    assert attributes(received)["messaging.destination.name"] == "lobby"


async def test_a_message_that_one_client_sends_to_a_room_stays_in_its_trace(
    app: App, memory: InMemorySpanExporter
) -> None:
    ada, bob = await clients(app)
    async with ada, bob:
        arrived = await heard(bob, "chat:wave")
        with trace.get_tracer("the program of Ada").start_as_current_span("a click"):
            await ada.send_to_room("lobby", "chat:wave", {"hand": "left"})
        await arrived
    spans = named(memory)
    assert spans.keys() >= {"a click", "publish chat:wave", "process chat:wave"}
    assert len({span.context.trace_id for span in spans.values()}) == 1


async def test_what_is_sent_outside_of_a_span_leaves_no_trace(app: App, memory: InMemorySpanExporter) -> None:
    ada, bob = await clients(app)
    async with ada, bob:
        arrived = await heard(bob, "chat:said")
        await ada.send("chat:say", "hello")
        assert (await arrived).trace is None
    assert named(memory) == {}


def attributes(span: ReadableSpan) -> Any:
    return span.attributes or {}
