"""Attach: connect, reconnect, fall back, climb and step down are this one operation.

open the link → hello → welcome → the session moves to it        (or `LinkLost`, and nothing has changed)
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp

from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.format import unpack
from rtcore.wire.hello import Welcome
from rtcore_client import codecs
from rtcore_client.transports import LINKS, Context, LinkLost
from rtcore_client.transports.upgrade import tracing

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec, Item
    from rtcore_client.endpoint import Endpoint
    from rtcore_client.options import ConnectionType, Options
    from rtcore_client.session import Session
    from rtcore_client.tasks import Tasks
    from rtcore_client.transports import Link


class TokenFailed(LinkLost):
    """The token could not be had: no transport is to blame, and there is no use in trying another one."""

    def __init__(self, reason: str) -> None:
        super().__init__("NETWORK_ERROR", reason)


class Attacher:
    """Knows how to bring a session to a link of some type.

    Attributes:
        http: the client's one HTTP session.
        forget: the next hello asks to begin both counts anew.
        adopt: called with the link that the session has moved to and the one that it has left, if there was one. The
            caller closes that one, and must not let it do anything more.
    """

    def __init__(self, session: Session, options: Options, endpoint: Endpoint, tasks: Tasks) -> None:
        self._session = session
        self._tasks = tasks
        self._options = options
        self._endpoint = endpoint
        self._text = codecs.codec("json")
        self._codec = codecs.codec(options.codec)
        self._compressors = codecs.compressors() if options.enable_compression else {}
        self.http: aiohttp.ClientSession | None = None
        self.forget = False
        self._asking: asyncio.Task[tuple[object, Exception | None]] | None = None
        self.adopt: Callable[[Link, Link | None], None] = lambda _link, _old: None

    def open(self) -> None:
        """Be able to make requests; again is harmless."""
        if self.http is None:
            self.http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=None), trace_configs=[tracing()]
            )

    def renew(self) -> None:
        """The network is another one: forget the connections that are kept, which may be dead without having ended."""
        old, self.http = self.http, None
        if old is not None:
            self._tasks.spawn(old.close(), name="close http")
            self.open()

    async def close(self) -> None:
        """Make no more requests."""
        old, self.http = self.http, None
        if old is not None:
            await old.close()

    @property
    def codec(self) -> Codec:
        """The codec that is asked for."""
        return self._codec

    async def attach(self, type_: ConnectionType) -> None:
        """Open a link of this type and move the session to it; `adopt` is called in the same turn.

        Raises:
            LinkLost: it could not be; a link that was opened is closed again.
        """
        link = self._make(type_)
        try:
            await self._attach(link)
        except BaseException as error:
            self._session.line.detach(link)
            await asyncio.shield(link.close())
            if (
                isinstance(error, LinkLost)
                and error.code == "unsupported_codec"
                and link.codec.name != "json"
            ):
                self._codec = self._text
                await self.attach(type_)
                return
            raise

    def _make(self, type_: ConnectionType) -> Link:
        if self.http is None:
            raise LinkLost("NETWORK_ERROR", "the client has no HTTP session")
        session = self._session
        link: Link
        context = Context(
            http=self.http,
            endpoint=self._endpoint,
            headers=self._options.headers,
            codec=self._codec,
            text=self._text,
            line=session.line,
            max_frame=self._options.limits.frame,
            reach=session.outbox.reach,
            heard=lambda frame: session.hear(link, frame),
            alive=lambda: session.alive(link),
            drained=session.outbox.flush,
            refused=session.give_up,
            ssl=self._options.ssl,
        )
        link = LINKS[type_](context)
        return link

    async def _attach(self, link: Link) -> None:
        token = await self._token()

        def hello() -> bytes:
            made = self._session.line.hello(
                link,
                token=token,
                client=self._options.client_id,
                compress=tuple(self._compressors),
                batch=self._options.enable_batching,
                covers=True,
                parts=self._options.limits.frame,
                forget=self.forget,
            )
            return link.codec.encode_control("hello", made.fields())

        try:
            async with asyncio.timeout(self._options.timing.open):
                await link.open(hello)
                frame = await link.receive()
        except TimeoutError as error:
            raise LinkLost("NETWORK_ERROR", f"no welcome within {self._options.timing.open:g} s") from error
        items = self._unpack(link, frame)
        welcome = _welcome(items)
        self.adopt(link, self._take(link, welcome))
        try:
            self._session.take_items(link, items[1:], len(frame))
        except LinkLost as lost:
            self._session.lose(link, lost)

    async def _token(self) -> str | None:
        """Return the token to show; ask for it if a program gives it anew each time.

        Raises:
            TokenFailed: it could not be had, or took too long.
        """
        token = self._options.authentication.get("token")
        if callable(token):
            if self._asking is not None and not self._asking.done():
                raise TokenFailed(
                    "the token could not be had: the call before has not ended, though it was cancelled"
                )
            patience = self._options.timing.token
            try:
                given: object = token()
                if inspect.isawaitable(given):
                    given = await self._within(patience, given)
            except Exception as error:
                raise TokenFailed(f"the token could not be had: {type(error).__name__}: {error}") from error
            token = given  # type: ignore[assignment]  # whatever a program returns; see below
        if token is not None and not isinstance(token, str):
            raise TokenFailed(f"the token: expected text, given {type(token).__name__}")
        return token

    async def _within(self, seconds: float, work: Awaitable[object]) -> object:
        """Wait so long. What does not end then, or when it is cancelled, is left alone: nobody may hang with it."""
        task = self._asking = self._tasks.spawn(_outcome(work), name="token")
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
        finally:
            task.cancel()
        if not done:
            raise TimeoutError(f"nothing within {seconds:g} s (timing.token)")
        given, error = task.result()
        if error is not None:
            raise error
        return given

    def _unpack(self, link: Link, frame: bytes) -> list[Item]:
        """Cut the first frame, in the codec that was asked for or in the text codec, if that one was refused."""
        codec = self._text if frame[:1] in {b"[", b"{"} else link.codec
        try:
            return list(unpack(frame, codec, None, max_size=self._options.limits.frame))
        except WireError as error:
            raise LinkLost("NETWORK_ERROR", f"the first frame is not rtcore's: {error}") from error

    def _take(self, link: Link, welcome: Welcome) -> Link | None:
        if welcome.compress is not None and welcome.compress not in self._compressors:
            raise LinkLost("bad_control", f"compressor {welcome.compress!r} was not offered")
        if welcome.codec not in {self._codec.name, self._text.name}:
            raise LinkLost("bad_control", f"codec {welcome.codec!r} was not asked for")
        codec = self._codec if welcome.codec == self._codec.name else self._text
        try:
            old = self._session.take(link, welcome, codec, self._compressors.get(welcome.compress or ""))
        except WireError as error:
            # The counts do not fit: the next hello asks to begin both anew.
            self.forget = True
            raise LinkLost("bad_control", str(error)) from error
        self.forget = False
        return old


async def _outcome(work: Awaitable[object]) -> tuple[object, Exception | None]:
    try:
        return await work, None
    except Exception as error:  # noqa: BLE001 - whatever a program raises; it is raised where somebody waits
        return None, error


def _welcome(items: list[Item]) -> Welcome:
    """Return the welcome that a first frame begins with.

    Raises:
        LinkLost: it is a refusal, or anything else.
    """
    first = items[0] if items else None
    if isinstance(first, Control):
        if first.name in {"close", "error"}:
            raise LinkLost.by_server(first.fields)
        if first.name == "welcome":
            try:
                return Welcome.parse(first.fields)
            except WireError as error:
                raise LinkLost("bad_control", str(error)) from error
    raise LinkLost("bad_control", "the first item of a connection must be a welcome")
