"""Accepting without a task: whoever comes is let in, one that fails hurts no other, and a full system is waited out."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from rtcore_http import accept
from rtcore_http.accept import AT_ONCE, Acceptor, accepted


class Listening(socket.socket):
    """A listening socket; the system fails as often as a test says."""

    failures: list[int]

    def _accept(self) -> Any:
        if self.failures:
            raise OSError(self.failures.pop(), "by order of the test")
        return super()._accept()  # type: ignore[misc]  # what `socket.accept` is made of


class Greeter(asyncio.Protocol):
    """Says hello, and keeps its transport."""

    def __init__(self, all_: list[Greeter]) -> None:
        self.all = all_

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.all.append(self)
        cast(asyncio.WriteTransport, transport).write(b"hello")


@contextmanager
def accepting(
    make: Callable[[list[Greeter]], asyncio.BaseProtocol] = Greeter, *failures: int
) -> Iterator[tuple[int, list[Greeter]]]:
    """Accept on a free port; give it, and everybody who was greeted."""
    greeted: list[Greeter] = []
    with Listening() as sock:
        sock.failures = list(failures)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(("127.0.0.1", 0))
        sock.listen(100)
        acceptor = Acceptor(sock, lambda: make(greeted))
        try:
            yield sock.getsockname()[1], greeted
        finally:
            acceptor.close()
            for one in greeted:
                one.transport.close()


async def hello(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await asyncio.wait_for(reader.read(100), 5)
    finally:
        writer.close()


async def test_everybody_is_let_in_however_many_come_at_once() -> None:
    with accepting() as (port, greeted):
        assert await asyncio.gather(*(hello(port) for _ in range(5 * AT_ONCE))) == [b"hello"] * 5 * AT_ONCE
        assert len(greeted) == 5 * AT_ONCE


async def test_one_that_cannot_be_taken_is_closed_and_the_others_are_let_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reasons: list[Exception] = [ConnectionRefusedError("no descriptor left"), ValueError("a bug")]

    def make(greeted: list[Greeter]) -> asyncio.BaseProtocol:
        if reasons:
            raise reasons.pop(0)
        return Greeter(greeted)

    with accepting(make) as (port, _):
        answers = [await hello(port) for _ in range(3)]
    assert answers == [b"", b"", b"hello"]
    assert [record.getMessage() for record in caplog.records] == ["a connection could not be taken"]


@pytest.mark.parametrize("why", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_a_system_without_room_is_asked_again_a_little_later(
    why: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accept, "PAUSE", 0.05)
    with accepting(Greeter, why, why) as (port, _):
        assert await hello(port) == b"hello"
    assert len(caplog.records) == 2, "and not once for each turn of the loop"


async def test_a_client_that_left_before_it_was_accepted_is_nothing_to_stop_for() -> None:
    with accepting(Greeter, errno.ECONNABORTED) as (port, _):
        assert await hello(port) == b"hello"


async def test_after_the_close_nobody_is_accepted_and_who_is_here_stays() -> None:
    with accepting() as (port, greeted):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readexactly(5) == b"hello"
    with pytest.raises(OSError):
        await hello(port)
    assert len(greeted) == 1
    writer.close()


async def test_options_are_the_listeners_and_nobody_sets_them_while_they_are_settled() -> None:
    with accepting() as (port, greeted):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readexactly(5)
        transport = greeted[0].transport
        sock = transport.get_extra_info("socket")
        nodelay = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(*nodelay) != 0
        ours = accepted(transport)
        assert ours is not None
        ours.settled = True
        sock.setsockopt(*nodelay, 0)
        assert sock.getsockopt(*nodelay) == 0, "it says nothing"
        ours.settled = False
        assert sock.getsockopt(*nodelay) != 0, "and nothing was changed"
        sock.setsockopt(*nodelay, 0)
        assert sock.getsockopt(*nodelay) == 0
        writer.close()


async def test_a_socket_that_was_accepted_elsewhere_is_told_apart() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
        assert accepted(transport) is None
        transport.close()
