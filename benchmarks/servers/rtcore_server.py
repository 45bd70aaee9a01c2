"""The full product as a target: authenticated sessions, resume window, rate limit, authorisation, rooms, telemetry.

    python benchmarks/servers/rtcore_server.py PORT [key=value …]

Everything that a deployment has is on: a token in `hello` is checked in constant time, joining a room is authorised,
each message passes the rate limiter, counters are kept and one message in a hundred gets a span, which is made,
batched and exported to nowhere: sending it is the business of another thread and a collector. A token is the shared
one, or that and `:name` for a user of that name: a session belongs to its identity.

`everyone` is broadcast to all sessions; `stats` is answered with what a soak watches.
"""

from __future__ import annotations

import asyncio
import gc
import hmac
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rtcore_cbor
import rtcore_echo
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_otel
import rtcore_polling
import rtcore_ratelimit
import rtcore_rooms
import rtcore_sse
import rtcore_websocket
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import set_tracer_provider

from rtcore import App, Message, Rejected, Session, hookimpl
from rtcore.serve import run
from rtcore.settings import load
from rtcore.spi.auth import Authenticator, Authorizer, Identity
from rtcore.spi.transport import Handshake

TOKEN = "a-token-of-32-characters-exactly"
PLUGINS = (
    rtcore_cbor, rtcore_echo, rtcore_http, rtcore_json, rtcore_memory, rtcore_otel, rtcore_polling,
    rtcore_ratelimit, rtcore_rooms, rtcore_sse, rtcore_websocket,
)  # fmt: skip
SETTINGS = (
    "max_connections=20000",
    "max_greetings=20000",
    "max_detached=20000",
    "rate_limit_per_second=1000000",
    'http.host="127.0.0.1"',
    "otel.use_global=true",  # a provider without an exporter would make no spans
    "otel.sample_ratio=0.01",
    "otel.attach_ratio=0.01",
)


class Nowhere(SpanExporter):
    """Takes spans, and sends them to nobody."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class Gate:
    """Lets in who has the token, and lets them into rooms."""

    name = "gate"

    @hookimpl
    def rtcore_authenticators(self) -> Sequence[Authenticator]:
        return [self]

    @hookimpl
    def rtcore_authorizers(self) -> Sequence[Authorizer]:
        return [self]

    def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        token, _, name = handshake.token.partition(":")
        if not hmac.compare_digest(token, TOKEN):
            raise Rejected("unauthenticated")
        return Identity(name or f"user-{handshake.peer}")

    def authorize(self, session: Session, action: str, resource: str) -> None:
        if resource.startswith("private:"):
            raise Rejected("forbidden")


def make(arguments: Sequence[str], *plugins: object) -> App:
    """Make the app: a port, settings that differ from a deployment's, and what is not in every deployment."""
    port, *more = arguments
    app = App(load(None, {}, [*SETTINGS, f"http.port={port}", *more]), plugins=[*PLUGINS, Gate(), *plugins])

    @app.handler("everyone")
    def everyone(session: Session, message: Message) -> None:
        app.manager.broadcast(Message("everyone", raw=message.raw, raw_codec=message.raw_codec))

    @app.handler("stats")
    def stats(session: Session, message: Message) -> dict[str, Any]:
        gc.collect()
        manager = app.manager
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "rss": pages * os.sysconf("SC_PAGE_SIZE"),
            "tasks": len(asyncio.all_tasks()),
            "fds": sum(1 for _ in Path("/proc/self/fd").iterdir()),
            "objects": len(gc.get_objects()),
            "sessions": len(manager.sessions),
            "attached": manager.attached,
            "waiting": manager.pool.used,
            "drops": {reason: n for reason, n in manager.get_metrics().drops.items() if n},
        }

    return app


def trace() -> None:
    """Set the tracer provider that the plugin is told to use."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    set_tracer_provider(provider)


def main() -> None:
    trace()
    run(make(sys.argv[1:]))


if __name__ == "__main__":
    main()
