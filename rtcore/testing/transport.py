"""The contract of transports: `rtcore.spi.transport`, as tests over a real app and a real client end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

import pytest

from rtcore.app import App
from rtcore.errors import Rejected
from rtcore.session import Session
from rtcore.spi.transport import Transport
from rtcore.testing.client import Duplex, Refused, WireClient
from rtcore.testing.contract import Contract
from rtcore.testing.plain import PlainCodec
from rtcore.wire.message import Message

_BINARY = "turned"


class TransportContract(Contract):
    """Subclass it; say what the transport is called, which plugins bring it, and how a client opens a connection.

        class TestPigeon(TransportContract):
            transport = "pigeon"

            def plugins(self):
                return [rtcore_pigeon]

            @asynccontextmanager
            async def open(self, app, *, codec):
                end = await MyClientEnd.connect(port_of(app), codec)
                yield end
                await end.close()

    Attributes:
        transport: its name.
        settings: of the app, beside those that the suite needs; a port of 0, say.
        patience: seconds within which a cut must have been noticed.
    """

    transport: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}
    patience: ClassVar[float] = 10.0

    def plugins(self) -> Sequence[object]:
        """Return the plugins that the transport needs, itself included; codecs and handlers are the suite's."""
        raise NotImplementedError

    def open(self, app: App, *, codec: str) -> AbstractAsyncContextManager[Duplex]:
        """Open a connection from a client to a running app; see `Duplex` for what the end can do.

        A transport that answers each frame by itself (with an HTTP status, say) raises `Rejected` with the code
        of a refusal, here or from `send`. Any other one ends with a `close` item and then `EOFError`.

        Args:
            app: is running.
            codec: the name of the codec to ask for, in the transport's own way.
        """
        raise NotImplementedError

    # -- what the tests stand on -------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, *, slow: asyncio.Event | None = None) -> AsyncIterator[App]:
        """A running app with the transport, two codecs (`json` and a binary one) and a handler or two.

        Args:
            slow: the handler of `slow` waits for this.
        """
        own = {"message_buffer_size": 2000, "max_message_size": 300_000, "drain_time": 0.1}
        codecs = [PlainCodec(), PlainCodec(_BINARY, binary=True)]
        app = App({**own, **self.settings}, plugins=[*self.plugins(), *codecs])

        @app.handler("echo")
        def echo(message: Message) -> Any:
            return message.payload

        @app.handler("slow")
        async def wait(message: Message) -> Any:
            if slow is not None:
                await slow.wait()
            return message.payload

        async with app:
            yield app

    @asynccontextmanager
    async def client(self, app: App, *, codec: str = "json") -> AsyncIterator[WireClient]:
        """An attached client."""
        client = WireClient(PlainCodec(codec, binary=codec == _BINARY))
        async with self.open(app, codec=codec) as duplex:
            await client.attach(duplex)
            yield client

    def session(self, app: App, client: WireClient) -> Session:
        """The server's side of a client."""
        return app.manager.sessions[client.welcome.session]

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(self.patience):
                while not condition():  # noqa: ASYNC110 - looks at the kernel from outside
                    await asyncio.sleep(0.005)
        except TimeoutError:
            pytest.fail(f"within {self.patience} seconds it was not so that {what}")

    async def refusal(self, client: WireClient, *frames: bytes) -> str:
        """Send frames that end in a refusal; return its code."""
        try:
            for frame in frames:
                await client.duplex.send(frame)
        except Rejected as refused:
            return refused.code
        except OSError:
            pass  # refused while it was still being sent
        close = await client.closed()
        assert close is not None, "the connection ended without a close item"
        return str(close.fields["code"])

    # -- the tests ---------------------------------------------------------------------------------------

    @pytest.mark.asyncio
    async def test_it_is_a_transport_and_the_app_knows_it_by_its_name(self) -> None:
        async with self.running() as app:
            assert isinstance(app.registry.transports[self.transport], Transport)

    @pytest.mark.asyncio
    async def test_a_hello_is_answered_with_a_welcome(self) -> None:
        async with self.running() as app, self.client(app) as client:
            assert client.welcome.transport == self.transport
            assert client.welcome.codec == "json"
            assert not client.welcome.resumed
            session = self.session(app, client)
            assert session.transport == self.transport
            assert session.connection is not None
            assert session.connection.handshake.peer, "the handshake should say who the peer is"

    @pytest.mark.asyncio
    async def test_messages_travel_both_ways_in_order(self) -> None:
        async with self.running() as app, self.client(app) as client:
            for n in range(300):
                await client.send("echo", {"n": n, "text": "ü☃"}, id=str(n))
            replies = [await client.receive() for _ in range(300)]
            assert [reply.payload["n"] for reply in replies] == list(range(300))
            assert replies[0].payload["text"] == "ü☃"
            session = self.session(app, client)
            for n in range(300):
                session.send("news", n)
                if n % 7 == 0:
                    await asyncio.sleep(0)
            assert [(await client.receive()).payload for _ in range(300)] == list(range(300))

    @pytest.mark.asyncio
    async def test_several_items_travel_in_one_frame(self) -> None:
        async with self.running() as app, self.client(app) as client:
            await client.send_all(*(Message("echo", n, id=str(n)) for n in range(50)))
            assert [(await client.receive()).payload for _ in range(50)] == list(range(50))

    @pytest.mark.asyncio
    @pytest.mark.parametrize("size", [1, 125, 126, 65_535, 65_536, 250_000])
    async def test_a_message_of_any_size_arrives_whole(self, size: int) -> None:
        async with self.running() as app, self.client(app) as client:
            payload = ("0123456789" * (size // 10 + 1))[:size]
            assert (await client.request("echo", payload)).payload == payload

    @pytest.mark.asyncio
    async def test_a_frame_that_is_too_large_ends_with_its_code(self) -> None:
        async with self.running() as app, self.client(app) as client:
            frame = client.codec.encode(Message("echo", "x" * 400_000))
            assert await self.refusal(client, frame) == "message_too_big"

    @pytest.mark.asyncio
    @pytest.mark.parametrize("frame", [b"GET / HTTP/1.1", b'{"type":"echo"}', b'["hello",{}]', b"[]"])
    async def test_what_is_no_hello_is_refused(self, frame: bytes) -> None:
        async with self.running() as app, self.open(app, codec="json") as duplex:
            client = WireClient()
            client.duplex = duplex
            code = await self.refusal(client, frame)
            assert code in {"bad_hello", "malformed_frame", "bad_control"}
            assert not app.manager.sessions

    @pytest.mark.asyncio
    async def test_a_frame_that_cannot_be_cut_ends_the_session_with_its_code(self) -> None:
        async with self.running() as app, self.client(app) as client:
            session = self.session(app, client)
            assert await self.refusal(client, b"neither an object nor an array") == "malformed_frame"
            await self.until(lambda: session.closed, "the session is closed")

    @pytest.mark.asyncio
    async def test_a_codec_that_nobody_knows_is_refused(self) -> None:
        async with self.running() as app:
            client = WireClient()
            try:
                async with self.open(app, codec="nonsense") as duplex:
                    await client.attach(duplex)
            except (Rejected, Refused) as refused:
                code = refused.code if isinstance(refused, Rejected) else refused.close.fields["code"]
                assert code == "unsupported_codec"
            except (OSError, EOFError):
                close = next((control for control in client.controls if control.name == "close"), None)
                assert close is not None, "refused without a code"
                assert close.fields["code"] == "unsupported_codec"
            else:
                pytest.fail("it was accepted")

    @pytest.mark.asyncio
    async def test_a_binary_codec_passes_or_is_replaced_by_a_text_codec(self) -> None:
        async with self.running() as app:
            if app.registry.transports[self.transport].binary:
                async with self.client(app, codec=_BINARY) as client:
                    assert client.welcome.codec == _BINARY
                    payload = "".join(map(chr, range(256)))
                    assert (await client.request("echo", payload)).payload == payload
            else:
                async with self.open(app, codec=_BINARY) as duplex:
                    client = WireClient()
                    await client.attach(duplex)
                    assert client.welcome.codec == "json"

    @pytest.mark.asyncio
    async def test_a_close_comes_with_its_code_and_after_what_was_posted_before(self) -> None:
        async with self.running() as app, self.client(app) as client:
            session = self.session(app, client)
            for n in range(20):
                session.send("news", n)
            app.manager.disconnect(session.id)
            assert [(await client.receive()).payload for _ in range(20)] == list(range(20))
            close = await client.closed()
            assert close is not None
            assert (close.fields["code"], close.fields["number"]) == ("kicked", 4203)

    @pytest.mark.asyncio
    async def test_a_connection_that_is_superseded_is_closed_and_the_new_one_works(self) -> None:
        async with self.running() as app, self.client(app) as client:
            old = WireClient()
            old.duplex = client.duplex
            async with self.open(app, codec="json") as duplex:
                await client.attach(duplex)
                assert client.welcome.resumed
                close = await old.closed()
                assert close is not None
                assert close.fields["code"] == "superseded"
                assert (await client.request("echo", "still here")).payload == "still here"

    @pytest.mark.asyncio
    async def test_a_cut_is_noticed_and_the_session_waits(self) -> None:
        async with self.running() as app, self.client(app) as client:
            session = self.session(app, client)
            await client.cut()
            await self.until(lambda: session.transport is None, "the session is detached")
            assert session.closed is None

    @pytest.mark.asyncio
    async def test_after_a_cut_everything_comes_once_and_in_order_both_ways(self) -> None:
        async with self.running() as app, self.client(app) as client:
            session = self.session(app, client)
            for n in range(100):
                session.send("news", n)
            got = [(await client.receive()).payload for _ in range(30)]
            for n in range(50):
                await client.send("echo", n, id=f"e{n}")
            await client.cut()
            for n in range(100, 150):
                session.send("news", n)
            async with self.open(app, codec="json") as duplex:
                await client.attach(duplex)
                assert client.welcome.resumed
                rest = [await client.receive() for _ in range(120 + 50)]
                got += [message.payload for message in rest if message.type == "news"]
                assert got == list(range(150))
                assert [message.payload for message in rest if message.type == "reply"] == list(range(50))
                assert client.line.received == session.window.sent
                assert client.line.window.sent == session.received

    @pytest.mark.asyncio
    async def test_a_client_that_does_not_read_is_noticed_and_later_told_what_it_missed(self) -> None:
        async with self.running() as app, self.client(app) as client:
            session = self.session(app, client)
            connection = session.connection
            assert connection is not None
            sent = 0
            while not connection.paused and sent < 16_000:
                session.send("news", {"n": sent, "fill": "x" * 4000})
                sent += 1
                await asyncio.sleep(0)
            assert connection.paused, "64 MB were written to a client that does not read, without a pause()"
            for _ in range(3000):
                session.send("news", {"n": sent, "fill": "x" * 4000})
                sent += 1
            assert len(session.outbox) <= app.options.message_buffer_size
            got: list[int] = []
            missed = 0
            while not got or got[-1] != sent - 1:
                message = await client.receive()
                if message.type == "gap":
                    missed += message.payload["n"]
                else:
                    got.append(message.payload["n"])
            assert got == sorted(set(got))
            assert len(got) + missed == sent
            await self.until(lambda: not connection.paused, "the transport has said resume()")
            assert (await client.request("echo", "well again")).payload == "well again"

    @pytest.mark.asyncio
    async def test_a_client_that_is_faster_than_its_handlers_is_not_read_and_nothing_is_refused(self) -> None:
        gate = asyncio.Event()
        async with self.running(slow=gate) as app, self.client(app) as client:

            async def send() -> None:
                for n in range(500):
                    await client.send("slow", {"n": n, "fill": "x" * 8000}, id=str(n))

            sending = asyncio.create_task(send())
            session = self.session(app, client)
            await self.until(
                lambda: session.received > app.options.max_handlers_per_session, "handlers pile up"
            )
            gate.set()
            replies = [await client.receive() for _ in range(500)]
            await sending
            assert {reply.type for reply in replies} == {"reply"}
            assert [reply.payload["n"] for reply in replies] == list(range(500))

    @pytest.mark.asyncio
    async def test_a_server_that_stops_says_so(self) -> None:
        async with self.running() as app, self.client(app) as client:
            await client.request("echo")
            stopping = asyncio.create_task(app.stop())
            close = await client.closed()
            await stopping
            assert close is not None
            assert close.fields["code"] == "going_away"

    @pytest.mark.asyncio
    async def test_a_server_that_drains_keeps_its_clients_and_takes_no_new_ones(self) -> None:
        async with self.running() as app, self.client(app) as client:
            await app.drain(within=0.05)
            assert (await client.request("echo", "as before")).payload == "as before"
            newcomer = WireClient()
            with pytest.raises((OSError, EOFError, Rejected, Refused)):
                async with self.open(app, codec="json") as duplex:
                    await newcomer.attach(duplex)

    @pytest.mark.asyncio
    async def test_the_app_starts_again_after_a_stop(self) -> None:
        async with self.running() as app:
            async with self.client(app) as client:
                await client.request("echo")
            await app.stop()
            await app.start()
            async with self.client(app) as client:
                assert (await client.request("echo", 1)).payload == 1
