"""Through the kernel: from the bytes of one session, through its handler, to the bytes of another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import rtcore_otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from rtcore_otel import Telemetry

from rtcore.app import App
from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.session import Session
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake
from rtcore.testing import InMemoryTransport, PlainCodec, WireClient
from rtcore.wire.message import Message

TRACE = "0af7651916cd43dd8448eb211c80319c"
THEIRS = f"00-{TRACE}-b7ad6b7169203331-01"


class World:
    """An app, two clients that are attached, and the spans that were made since."""

    def __init__(self, *plugins: object, **otel: Any) -> None:
        self.transport = InMemoryTransport()
        self.app = App(
            {"otel": {"exporter": "console", **otel}},
            plugins=[PlainCodec(), self.transport, rtcore_otel, *plugins],
        )
        self.memory = InMemorySpanExporter()
        self.ada, self.bob = WireClient(), WireClient()

        @self.app.handler("chat:say")
        async def say(session: Session, message: Message) -> int:
            return self.app.manager.broadcast(Message("chat:said", message.payload), exclude=session)

        @self.app.handler("chat:refuse")
        def refuse(message: Message) -> None:
            raise Rejected("forbidden")

    def spans(self) -> list[ReadableSpan]:
        return list(self.memory.get_finished_spans())


@asynccontextmanager
async def running(*plugins: object, clients: int = 2, **otel: Any) -> AsyncIterator[World]:
    world = World(*plugins, **otel)
    world.app.boot()
    provider = world.app.get(Telemetry).tracer_provider
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(world.memory))
    async with world.app:
        for client in (world.ada, world.bob)[:clients]:
            await client.attach(world.transport.connect())
        yield world


@pytest.fixture(autouse=True)
def _nothing_on_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    """What the console exporter prints belongs to no test here."""


async def test_a_trusted_clients_trace_goes_through_the_handler_to_the_receiver() -> None:
    async with running(sample_ratio=0.0, attach_ratio=0.0, trust_peers=True) as world:
        await world.ada.send("chat:say", "hello", trace=THEIRS)
        got = await world.bob.receive()
        assert (got.type, got.payload) == ("chat:said", "hello")
        publish, process = world.spans()
        assert (process.name, publish.name) == ("process chat:say", "publish chat:said")
        assert f"{process.context.trace_id:032x}" == f"{publish.context.trace_id:032x}" == TRACE
        assert publish.parent == process.context
        assert got.trace is not None
        assert got.trace.startswith(f"00-{TRACE}-{publish.context.span_id:016x}-")
        assert publish.attributes is not None
        assert publish.attributes["rtcore.recipients"] == 1


async def test_a_strangers_trace_is_a_link_and_its_id_goes_to_nobody() -> None:
    async with running(sample_ratio=1.0, attach_ratio=0.0) as world:
        await world.ada.send("chat:say", "hello", trace=THEIRS)
        got = await world.bob.receive()
        _, process = world.spans()
        assert [f"{link.context.trace_id:032x}" for link in process.links] == [TRACE]
        assert process.parent is None
        assert got.trace is not None
        assert got.trace.split("-")[1] == f"{process.context.trace_id:032x}" != TRACE


async def test_what_is_not_sampled_makes_no_span_and_carries_no_trace() -> None:
    async with running(sample_ratio=0.0, attach_ratio=0.0) as world:
        await world.ada.send("chat:say", "hello", trace=THEIRS)
        assert (await world.bob.receive()).trace is None
        assert world.spans() == []


async def test_a_refusal_is_an_answer_and_not_an_error_of_the_server() -> None:
    async with running(sample_ratio=1.0, attach_ratio=0.0) as world:
        answer = await world.ada.request("chat:refuse")
        assert answer.payload["code"] == "forbidden"
        (span,) = world.spans()
        assert span.attributes is not None
        assert span.attributes["error.type"] == "forbidden"
        assert span.status.is_ok or span.status.is_unset


async def test_an_attach_is_a_span_and_so_is_a_resume() -> None:
    async with running(sample_ratio=0.0) as world:
        await world.ada.cut()
        await world.ada.attach(world.transport.connect())
        first, _, again = [span.attributes or {} for span in world.spans()]
        assert {span.name for span in world.spans()} == {"attach in_memory"}
        assert first["session.id"] == again["session.id"]
        assert (first["rtcore.resumed"], again["rtcore.resumed"]) == (False, True)


class Slow:
    """Takes a while to know who it is, and lets only those with a token in."""

    name = "slow"

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    @hookimpl
    def rtcore_authenticators(self) -> list[Slow]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        self.asked.set()
        await self.go.wait()
        if handshake.token is None:
            raise Rejected("unauthenticated")
        return Identity(handshake.token)


@pytest.mark.parametrize("token", ["ada", None])
async def test_the_span_of_an_attach_begins_before_anybody_is_asked_who_it_is(token: str | None) -> None:
    slow = Slow()
    async with running(slow, clients=0) as world:
        attaching = asyncio.create_task(world.ada.attach(world.transport.connect(token=token)))
        await slow.asked.wait()
        known = time.time_ns()
        slow.go.set()
        await asyncio.gather(attaching, return_exceptions=True)
        [span] = world.spans()
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= known <= span.end_time
        assert (span.attributes or {}).get("error.type") == (None if token else "unauthenticated")


async def test_every_span_is_made_without_the_secret_of_the_session() -> None:
    async with running(sample_ratio=1.0) as world:
        await world.ada.request("chat:say", "hello")
        shown = "".join(span.to_json() for span in world.spans())
        assert world.ada.welcome.secret not in shown


async def test_metrics_count_what_happened() -> None:
    async with running() as world:
        await world.ada.request("chat:say", "hello")
        await world.ada.request("chat:nobody-handles-this")
        metrics = world.app.manager.get_metrics()
        assert (metrics.connection_count, metrics.session_count) == (2, 2)
        assert metrics.messages_received == 2
        assert metrics.messages_sent == 3
        assert metrics.errors == {"unknown_type": 1}
        assert metrics.error_rate == 0.5
        assert metrics.transports["in_memory"].connections == 2
        assert min(metrics.bytes_sent, metrics.bytes_received) > 0
