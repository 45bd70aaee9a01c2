"""Attach: connect, reconnect, fall back, climb and step down are this one operation.

open the link → hello → welcome → the session moves to it        (or `LinkLost`, and nothing has changed)
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.format import unpack
from rtcore.wire.hello import Welcome
from rtcore_client import codecs
from rtcore_client.transports import LINKS, Context, LinkLost

if TYPE_CHECKING:
    import aiohttp

    from rtcore.spi.codec import Codec, Item
    from rtcore_client.endpoint import Endpoint
    from rtcore_client.options import ConnectionType, Options
    from rtcore_client.session import Session
    from rtcore_client.transports import Link


class Attacher:
    """Knows how to bring a session to a link of some type.

    Attributes:
        http: the client's one HTTP session.
        forget: the next hello asks to begin both counts anew.
        adopt: called with the link that the session has moved to and the one that it has left, if there was one. The
            caller closes that one, and must not let it do anything more.
    """

    def __init__(self, session: Session, options: Options, endpoint: Endpoint) -> None:
        self._session = session
        self._options = options
        self._endpoint = endpoint
        self._text = codecs.codec("json")
        self._codec = codecs.codec(options.codec)
        self._compressors = codecs.compressors() if options.enable_compression else {}
        self.http: aiohttp.ClientSession | None = None
        self.forget = False
        self.adopt: Callable[[Link, Link | None], None] = lambda _link, _old: None

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
            heard=lambda frame: session.hear(link, frame),
            drained=session.outbox.flush,
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
        token = self._options.authentication.get("token")
        if not callable(token):
            return token
        try:
            async with asyncio.timeout(self._options.timing.request):
                given = token()
                return await given if inspect.isawaitable(given) else given
        except Exception as error:
            raise LinkLost(
                "NETWORK_ERROR", f"the token could not be had: {type(error).__name__}: {error}"
            ) from error

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
