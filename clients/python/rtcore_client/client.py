"""`RealtimeClient`: the public face. The promises are here, how they are kept is in the modules that it joins."""

from __future__ import annotations

import asyncio
import ssl as _ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from rtcore_client.advice import Advice
from rtcore_client.backoff import Backoff
from rtcore_client.buffer import Overflow
from rtcore_client.core import Core
from rtcore_client.events import EventName, Events
from rtcore_client.home import Home
from rtcore_client.info import ConnectionInfo, info_of
from rtcore_client.messages import MessageStream
from rtcore_client.options import Authentication, ConnectionType, Limits, Options, Timing
from rtcore_client.outgoing import Outgoing
from rtcore_client.rooms import Rooms
from rtcore_client.session import Session
from rtcore_client.stalls import Stalls
from rtcore_client.subscriptions import Callback, Subscriptions
from rtcore_client.tasks import Tasks

if TYPE_CHECKING:
    from types import TracebackType

    from rtcore.wire.message import Priority


class RealtimeClient:
    """A client of an rtcore server: one session that survives connections and changes of transport.

        async with RealtimeClient("http://localhost:8080/rt") as client:
            client.subscribe("chat:*", lambda message: print(message.payload))
            await client.send("chat:message", {"text": "hello"})
            print(await client.request("echo", 42))

    It belongs to the event loop in which `connect` is called, until it is closed. Whatever waits raises `WrongLoop` in
    another one; `subscribe`, `on`, what ends them, and what the client says of itself work from any thread.

    Args:
        url: `http(s)://host/rt` or `ws(s)://host/rt`; each transport's path follows from it.
        connection_type: the preferred transport: websocket, sse or polling.
        fallback_types: what to use instead, the best first.
        client_id: the client's own name for itself; for people, not for security.
        auto_reconnect: after a loss, attach again and resume.
        max_reconnect_attempts: after so many failures in a row the client is suspended: it tries on a slow timer.
        reconnect_delay: the limit of the first pause between attempts, seconds; the choice within it is random, and
            the limit doubles.
        heartbeat_interval, ping_timeout: seconds; silence beyond both is the end of a connection. What the server says
            in its welcome holds where it is shorter.
        enable_compression: of frames of `compression_threshold` bytes and more, if the server agrees.
        enable_batching: up to `batch_size` messages go in one frame, after at most `batch_interval` seconds.
        authentication: `{"token": …, "headers": {…}}`; the token may be a callable, async or not, asked before each
            attach. It never gets into a URL.
        codec: json or cbor.
        timing, limits: patience and memory; see there.
        ssl: for https and wss, where the system's trust is not what is wanted.
        uniform: random numbers for the backoff; for tests.

    Raises:
        ValueError: an argument that cannot be; the text names it.
    """

    def __init__(
        self,
        url: str,
        *,
        connection_type: ConnectionType = "websocket",
        fallback_types: Sequence[ConnectionType] = ("sse", "polling"),
        client_id: str | None = None,
        auto_reconnect: bool = True,
        max_reconnect_attempts: int = 5,
        reconnect_delay: float = 1.0,
        heartbeat_interval: float = 30.0,
        ping_timeout: float = 5.0,
        enable_compression: bool = True,
        compression_threshold: int = 1024,
        enable_batching: bool = False,
        batch_size: int = 10,
        batch_interval: float = 0.1,
        authentication: Authentication | None = None,
        codec: str = "json",
        timing: Timing | None = None,
        limits: Limits | None = None,
        ssl: _ssl.SSLContext | None = None,
        uniform: Callable[[float, float], float] | None = None,
    ) -> None:
        options = self._options = Options(
            url=url, connection_type=connection_type, fallback_types=fallback_types, client_id=client_id,
            auto_reconnect=auto_reconnect, max_reconnect_attempts=max_reconnect_attempts,
            reconnect_delay=reconnect_delay, heartbeat_interval=heartbeat_interval, ping_timeout=ping_timeout,
            enable_compression=enable_compression, compression_threshold=compression_threshold,
            enable_batching=enable_batching, batch_size=batch_size, batch_interval=batch_interval,
            authentication=authentication or Authentication(), codec=codec, timing=timing or Timing(),
            limits=limits or Limits(), ssl=ssl,
        )  # fmt: skip
        backoff = Backoff(options.reconnect_delay, options.timing.max_reconnect_delay)
        self._backoff = backoff if uniform is None else backoff.using(uniform)
        self._advice = Advice()
        self._home = Home()
        self._tasks = Tasks()
        self._events = Events(self._tasks)
        self._tasks.failed = self._events.failed
        self._stalls = Stalls(self._events)
        self._subscriptions = Subscriptions(
            self._home, self._tasks, self._stalls, self._events.callback_failed, options
        )
        self._rooms = Rooms(
            lambda kind, payload: self.request(kind, payload, idempotent=True),
            self._request_first,
            self._events,
            lambda work: self._tasks.spawn(work, name="an answer to a join"),
        )
        self._closing: asyncio.Task[None] | None = None
        self._core = self._new_core(None)

    def _new_core(self, previous: str | None) -> Core:
        core = Core(
            self._options,
            events=self._events,
            tasks=self._tasks,
            subscriptions=self._subscriptions,
            advice=self._advice,
            backoff=self._backoff,
            previous=previous,
        )
        core.connector.info = self.get_connection_info
        core.session.on_message = self._rooms.saw
        core.session.on_anew = self._rooms.rejoin
        core.session.on_lost = self._rooms.heal
        core.session.on_gap = self._rooms.told
        self._rooms.miss = core.session.miss
        return core

    @property
    def _session(self) -> Session:
        return self._core.session

    # -- the connection ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Return when the client is connected; begin to, or try again at once, if it is not.

        It does not try sooner than a `retry_after` of the server allows: it waits, or raises what the server said, if
        that is longer than `timing.open` and nobody would try before. Cancelled, it leaves the client trying; `close`
        and `pause` end that. A client that was closed begins a new session, with the same callbacks, in the same rooms.

        Raises:
            NetworkError: no transport reached the server; `failures` has what became of each. `Suspended`, a kind of
                it, says that the client goes on trying by itself.
            Refused: the server does not want this client; `code` says why.
            NotConnected: the client was closed or paused meanwhile.
            WrongLoop: the client lives in another event loop.
        """
        if self._closing is not None and not self._closing.done():
            await asyncio.wait((self._closing,))
        self._enter("connect")
        if self._core.connector.state == "closed":
            self._core = self._new_core(self._session.previous)
        self._subscriptions.quiet = self._events.quiet = False
        await self._core.connect()

    async def switch_transport(self, connection_type: ConnectionType) -> None:
        """Prefer a transport from now on, and move the session to it; the old link carries it until the new one does.

        Raises:
            NetworkError: it could not be had; the session stays where it is.
        """
        self._home.enter("switch_transport")
        await self._core.connector.switch(connection_type)

    async def probe(self) -> bool:
        """Return whether the link lives, found out in seconds: for a program that knows of a change of the network.

        A link that does not answer is given up for another one, which is sought at once; so it is if there is none. The
        client does this by itself when the machine has slept, or its address is another one.
        """
        self._home.enter("probe")
        return await self._core.probe()

    async def pause(self) -> None:
        """Give up the connection for now: send what is queued, for `timing.close` seconds at most, and close it.

        The session waits at the server for its `ttl`, and what is sent waits here. `resume` goes on where it was.
        """
        self._home.enter("pause")
        await self._core.pause()

    async def resume(self) -> None:
        """Connect again after `pause`; return and raise as `connect`."""
        await self.connect()

    def close(self) -> Coroutine[Any, Any, None]:
        """Send what is queued, for `timing.close` seconds at most; say goodbye; end everything. Again is harmless.

        From the call on no callback is called, but those of `disconnect` at the end. Await what it returns.
        """
        self._subscriptions.quiet = self._events.quiet = True
        return self._close()

    async def _close(self) -> None:
        self._enter("close")
        spare = asyncio.current_task()
        if self._core.connector.state == "closed":
            # A callback does not wait: the end may wait for it.
            if self._closing is not None and not self._closing.done() and not self._tasks.owns(spare):
                await asyncio.wait((self._closing,))
            return
        # A task of its own, so that who gives up waiting for it leaves nothing half closed.
        self._closing = asyncio.get_running_loop().create_task(self._end(spare), name="rtcore-client:close")
        await asyncio.shield(self._closing)

    def _enter(self, what: str) -> None:
        """Be in the client's loop. If that was closed with the client in it, all that was there is gone."""
        left = self._home.loop is not None and self._home.loop.is_closed()
        self._home.enter(what)
        if left:
            self._tasks.forget()
            self._closing = None
            self._subscriptions.rest()
            self._subscriptions.quiet = False
            self._core = self._new_core(self._session.previous)

    async def _end(self, spare: asyncio.Task[Any] | None) -> None:
        try:
            self._rooms.end()
            await self._core.close(spare)
        finally:
            self._home.leave()

    async def __aenter__(self) -> Self:
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- messages out ------------------------------------------------------------------------------------

    async def send(
        self,
        type: str,
        payload: Any = None,
        *,
        priority: Priority = "normal",
        room: str | None = None,
        version: int = 0,
        confirm: bool = False,
        idempotent: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Send a message. Returns when it was given to the transport, or queued because there is none just now.

        Messages leave no faster than the server's welcome allows (`rate_per_second`); the others wait in the queue.

        Args:
            type: such as `chat:message`.
            payload: whatever the codec can express.
            priority: critical, high, normal or low: what overtakes what while messages wait.
            room: publish to the members of this room.
            version: of the payload's shape.
            confirm: return only when the server has received it.
            idempotent: it may run twice: send it again if its session is gone and its outcome unknown.
            timeout: seconds to wait for room to send, and for the confirmation; `timing.send` if not given. 0 waits for
                nothing: the message is queued, or refused at once.

        Raises:
            TypeError: the payload holds something that the codec cannot express, or a field is of a wrong type.
            ValueError: a field has a value that it cannot have: type, room, priority, version, timeout.
            QueueFull: with `timeout=0`: as many messages wait as may. Or a more urgent one has taken its place.
            Timeout: no room within the time, and it was not sent; or no confirmation, and it may have been.
            UnknownOutcome: with `confirm`: the session is gone, and with it the knowledge.
            RequestError: the server refused it, or it is larger than the server takes.
            NotConnected: the client is closed or was never connected.
        """
        self._home.enter("send")
        message = Outgoing(
            type, payload, priority=priority, room=room, version=version, idempotent=idempotent
        )
        patience = self._options.timing.send if timeout is None else timeout
        await self._core.sender.send(message, timeout=patience, confirm=confirm)

    async def request(
        self,
        type: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        priority: Priority = "normal",
        room: str | None = None,
        version: int = 0,
        idempotent: bool = False,
    ) -> Any:
        """Send a message and return the payload of its reply.

        When the caller gives up or the time is up the server is told, and cancels its handler.

        Args:
            timeout: seconds until the reply; `timing.request` if not given.
            type, payload, priority, room, version, idempotent: as for `send`.

        Raises:
            RequestError: the server answered with an error.
            Timeout: no reply within the time.
            UnknownOutcome, QueueFull, TypeError, ValueError, NotConnected: as for `send`.
        """
        self._home.enter("request")
        message = Outgoing(
            type, payload, id=self._session.requests.next_id(), priority=priority, room=room, version=version,
            idempotent=idempotent,
        )  # fmt: skip
        patience = self._options.timing.request if timeout is None else timeout
        return await self._core.sender.request(message, timeout=patience)

    async def join_room(
        self,
        room: str,
        *,
        history: int = 0,
        since: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Mapping[str, Any]:
        """Join a room; return what the server says of it. After a new session the client joins again by itself.

        Where the room keeps a history, what was asked for of it comes after this has returned: in order, before
        anything newer, each message once, and at the pace of the connection. It is complete with the message of the
        answer's `offset`.

        Args:
            room: its name.
            history: how many of the last messages are to be sent.
            since: send everything after this place, `{"offset": …, "epoch": …}` of a message or of an earlier answer.
                If that is no longer all there, the answer says `missed`, and as many come as `history` says.
            name: how the other members may see this one (`room:members`); without one it stays as it is.

        Raises:
            ValueError: `since` is no place.
            RequestError: the server refuses.
        """
        return await self._rooms.join(room, history=history, since=since, called=name)

    async def leave_room(self, room: str) -> bool:
        """Leave a room; return whether the client was in it."""
        return await self._rooms.leave(room)

    async def send_to_room(self, room: str, type: str, payload: Any = None, **options: Any) -> None:
        """Publish to the members of a room; `options` are those of `send`."""
        await self.send(type, payload, room=room, **options)

    # -- messages in -------------------------------------------------------------------------------------

    def subscribe(self, pattern: str, callback: Callback) -> Callable[[], None]:
        """Call `callback(message)` with each message whose type matches; return how to end that.

        Args:
            pattern: a type, a prefix with `*` at its end, or `*`.
            callback: plain, or async; an async one gets one message after the other and delays nobody, until
                `limits.subscriber` messages wait for it. What it raises is logged and becomes an `error` event.
        """
        return self._subscriptions.add(pattern, callback)

    def messages(
        self,
        pattern: str = "*",
        *,
        maxsize: int = 100,
        policy: Overflow = "drop_oldest",
        patience: float | None = None,
    ) -> MessageStream:
        """Return the messages that match from now on, for `async for`. Bounded: see `MessageStream`.

        Args:
            pattern: as for `subscribe`.
            maxsize: messages that wait for the reader before they take of the inbox's room.
            policy: what becomes of them when it reads none and everybody waits for it: `drop_oldest`, `drop_new`, `end`
                (the stream raises `Stalled` once what it kept is read), or `wait`: everybody goes on waiting.
            patience: seconds before that; `timing.stream` if not given.
        """
        return MessageStream(self._subscriptions, pattern, maxsize=maxsize, policy=policy, patience=patience)

    def on(self, event: EventName, callback: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `callback(value)` at each event; return how to end that. `rtcore_client.events` lists them."""
        return self._events.on(event, callback)

    # -- what it says of itself ----------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """Messages flow."""
        return self._session.link is not None

    def get_connection_info(self) -> ConnectionInfo:
        """Return how things stand now."""
        return info_of(
            self._core, self._options, self._subscriptions.patterns, self._rooms.names, self._stalls.unread
        )

    def __repr__(self) -> str:
        core = self._core
        return (
            f"<RealtimeClient {self._options.url} {core.connector.state} on {core.carrier.type or 'nothing'}>"
        )

    # -- inside --------------------------------------------------------------------------------------------

    def _request_first(self, type: str, payload: Any) -> Callable[[], Awaitable[Any]]:
        return self._core.request_first(type, payload)
