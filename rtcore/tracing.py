"""Spans: for attaches, for sampled messages and for publishes.

Rule: a message that is not sampled pays a throw of the dice, 0.06 µs; one that is, 13 to 16 µs, half of it for
the span. So our own ratio decides before anything is made or parsed (`Tracing.sampled`). Only opentelemetry-api is
needed here; without an SDK, and a plugin that provides `Tracing`, there are no spans.

    client ──traceparent──▶ handle   CONSUMER "process chat:message"       one per sampled message
                               └──▶ publish   PRODUCER "publish chat:message"   one per publish, none per delivery
                                       └──traceparent──▶ every receiver

Neither tracestate nor baggage travels: what one user's side put there is not for other users.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import isawaitable
from random import random
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import Context, attach, create_key, detach
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

from rtcore.errors import Rejected
from rtcore.wire.codes import Fault
from rtcore.wire.trace import TraceContext, parse, recorded

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from rtcore.session import Session
    from rtcore.spi.transport import Handshake
    from rtcore.wire.message import Message

#: A key of the context in which our spans start: the ratio has spoken already, a sampler must not throw again.
DECIDED: Final = create_key("rtcore-decided")


class AttachSpan:
    """The span of one attach, told how it went; harmless when nothing is recorded."""

    __slots__ = ("span",)

    def __init__(self, span: Span) -> None:
        self.span = span

    def attached(self, session_id: str, *, resumed: bool, reason: str | None = None) -> None:
        """The hello was accepted; `reason` is why a named session could not be resumed."""
        self.span.set_attribute("session.id", session_id)
        self.span.set_attribute("rtcore.resumed", resumed)
        if reason is not None:
            self.span.set_attribute("rtcore.resume.reason", reason)

    def refused(self, code: str) -> None:
        """The hello was turned away, by an answer and not by an exception."""
        self.span.set_attribute("error.type", code)


_UNRECORDED: Final = nullcontext(AttachSpan(INVALID_SPAN))


class Tracing:
    """Makes spans. The kernel holds one or `None`; a plugin provides it as a service: `{Tracing: tracing}`.

        if tracing is None or not tracing.sampled(message):
            answer = call()
        else:
            answer = tracing.handle(session, message, call)

    Args:
        tracer: from the API; scope `rtcore`.
        ratio: of messages, and of publishes outside of a recorded span, 0.0 to 1.0.
        attach_ratio: of attaches.
        trust: whose trace is continued, so that they decide what we record: nobody's, everybody's, or those
            sessions of which a function says so. Anybody else's becomes a link on a trace of our own.
        dice: throws a number from 0.0 up to 1.0.
    """

    __slots__ = ("_attach_ratio", "_dice", "_follow", "_ratio", "_tracer", "_trust")

    def __init__(
        self,
        tracer: Tracer,
        *,
        ratio: float = 0.01,
        attach_ratio: float = 1.0,
        trust: bool | Callable[[Session], bool] = False,
        dice: Callable[[], float] = random,
    ) -> None:
        self._tracer, self._ratio, self._attach_ratio = tracer, ratio, attach_ratio
        self._trust, self._follow, self._dice = trust, trust is not False, dice

    def sampled(self, message: Message) -> bool:
        """Say whether `handle` is worth calling for an inbound message."""
        if self._follow and message.trace is not None and recorded(message.trace):
            return True
        return self._dice() < self._ratio

    def handle(
        self,
        session: Session,
        message: Message,
        call: Callable[[], Any],
        *,
        pattern: str | None = None,
    ) -> Any:
        """Run a handler inside a span that is current for it, and for whatever it awaits.

        Args:
            session: whose message it is.
            message: one of which `sampled` is true.
            call: the handler with what it takes; plain, or returning an awaitable.
            pattern: what the handler was registered for. It keeps names few where a client chooses the type.

        Returns:
            What `call` returns. An awaitable comes back as a coroutine, to be awaited now or as a task; the
            span ends with it.
        """
        trace, trusted = message.trace, self._trusts(session)
        if (
            self._follow
            and not trusted
            and trace is not None
            and recorded(trace)
            and self._dice() >= self._ratio
        ):
            # `sampled` could not know that whoever set this flag is not trusted: the ratio speaks after all.
            return call()
        attributes: dict[str, Any] = {
            "messaging.system": "rtcore",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": message.room or message.type,
            "messaging.destination.template": pattern or message.type,
            "rtcore.message.type": message.type,
            "session.id": session.id,
        }
        if message.id is not None:
            attributes["messaging.message.id"] = message.id
        if message.raw is not None:
            attributes["messaging.message.body.size"] = len(message.raw)
        if session.transport is not None:
            attributes["rtcore.transport"] = session.transport
        span = self._start(
            f"process {pattern or message.type}", SpanKind.CONSUMER, attributes, trace, trusted=trusted
        )
        context = set_span_in_context(span, Context())
        token = attach(context)
        try:
            answer = call()
        except BaseException as error:
            _fail(span, error)
            span.end()
            raise
        finally:
            detach(token)
        if isawaitable(answer):
            return _awaited(answer, span, context)
        span.end()
        return answer

    def publish(self, message: Message, recipients: int, *, session: Session | None = None) -> None:
        """Make the one span of a publish, and carry its context to every receiver in `message.trace`.

        Call it before the message is encoded. Within a recorded span the publish is a part of that trace. Else
        it begins one if the ratio says so, or goes on with that of a trusted client whose message is relayed.
        When nothing is recorded no trace is carried: one client's flag would make all the others record.

        Args:
            message: what is published.
            recipients: how many sessions of this node get it.
            session: whose message it was, if it is relayed as it came; no span is current then.
        """
        # What a client sends is relayed outside of any handler and its span; asking for one costs 0.45 µs.
        trace, current = message.trace, INVALID_SPAN if session is not None else get_current_span()
        trusted = session is not None and self._trusts(session)
        if current.is_recording():
            parent: Context | None = set_span_in_context(current, Context())
        elif (trusted and trace is not None and recorded(trace)) or self._dice() < self._ratio:
            parent = None
        else:
            if trace is not None:
                message.trace = None
                message.forget_forms()
            return
        attributes: dict[str, Any] = {
            "messaging.system": "rtcore",
            "messaging.operation.type": "send",
            "messaging.operation.name": "publish",
            "messaging.destination.template": message.type,
            "rtcore.message.type": message.type,
            "rtcore.recipients": recipients,
        }
        if message.room is not None:
            attributes["messaging.destination.name"] = message.room
        name = f"publish {message.type}"
        if parent is not None:
            span = self._tracer.start_span(name, parent, SpanKind.PRODUCER, attributes)
        else:
            span = self._start(name, SpanKind.PRODUCER, attributes, trace, trusted=trusted)
        span.end()
        here = span.get_span_context()
        carried = (
            TraceContext(here.trace_id, here.span_id, here.trace_flags) if here.trace_flags.sampled else None
        )
        message.trace = str(carried) if carried else None
        message.forget_forms()

    def attach_span(
        self, handshake: Handshake, *, since: int | None = None
    ) -> AbstractContextManager[AttachSpan]:
        """Span one attach, from the hello to its answer. A refusal passes through and leaves its code.

        Args:
            handshake: of the connection.
            since: when the hello came, if that was before now (an authenticator was waited for): nanoseconds since
                1970.
        """
        if self._dice() >= self._attach_ratio:
            return _UNRECORDED  # a generator's context manager costs 5 µs of an attach's 30
        return self._attach_span(handshake, since)

    @contextmanager
    def _attach_span(self, handshake: Handshake, since: int | None) -> Iterator[AttachSpan]:
        attributes = {
            "rtcore.transport": handshake.transport,
            "client.address": handshake.peer,
            "url.path": handshake.path,
        }
        span = self._start(
            f"attach {handshake.transport}",
            SpanKind.SERVER,
            {name: value for name, value in attributes.items() if value},
            handshake.headers.get("traceparent"),
            trusted=self._trust is True,  # whom a function would trust is not known before the attach
            since=since,
        )
        token = attach(set_span_in_context(span, Context()))
        try:
            yield AttachSpan(span)
        except BaseException as error:
            _fail(span, error)
            raise
        finally:
            detach(token)
            span.end()

    def _trusts(self, session: Session) -> bool:
        return self._trust if isinstance(self._trust, bool) else self._trust(session)

    def _start(
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, Any],
        trace: str | None,
        *,
        trusted: bool,
        since: int | None = None,
    ) -> Span:
        """Start a span in the peer's trace, or one of our own with a link to it."""
        context, links = Context({DECIDED: True}), None
        remote = parse(trace) if trace is not None else None
        if remote is not None:
            theirs = SpanContext(
                remote.trace_id, remote.span_id, is_remote=True, trace_flags=TraceFlags(remote.flags)
            )
            if trusted and theirs.trace_flags.sampled:
                context = set_span_in_context(NonRecordingSpan(theirs), context)
            else:
                links = [Link(theirs)]
        return self._tracer.start_span(name, context, kind, attributes, links, since)


async def _awaited(answer: Awaitable[Any], span: Span, context: Context) -> Any:
    """Await inside a span, in whichever task that happens; end the span."""
    token = attach(context)
    try:
        return await answer
    except BaseException as error:
        _fail(span, error)
        raise
    finally:
        detach(token)
        span.end()


def _fail(span: Span, error: BaseException) -> None:
    """Note what went wrong. A refusal that is the peer's fault is an answer, not a failure of this span."""
    if isinstance(error, Rejected):
        span.set_attribute("error.type", error.code)
        if error.row.fault is Fault.LOCAL:
            span.set_status(StatusCode.ERROR, error.code)
    elif isinstance(error, Exception):
        span.set_attribute("error.type", type(error).__qualname__)
        span.record_exception(error)
        span.set_status(StatusCode.ERROR, type(error).__qualname__)
    else:
        span.set_attribute("error.type", "cancelled")
