"""Which addresses the port listens on, and what is said where that cannot be."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from rtcore_http import listen
from rtcore_http.answers import answer
from rtcore_http.handshake import peer_of
from rtcore_http.routes import Route

from rtcore.errors import PluginError


async def peer(request: web.Request) -> web.StreamResponse:
    return answer(peer_of(request))


PEER = Route("GET", "/peer", peer)


class WithoutIpv6(socket.socket):
    """What `socket.socket` is on a system whose IPv6 is missing."""

    number = errno.EAFNOSUPPORT

    def __init__(self, family: int = socket.AF_INET, *more: Any, **others: Any) -> None:
        if family == socket.AF_INET6:
            raise OSError(self.number, "Address family not supported by protocol")
        super().__init__(family, *more, **others)


@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
async def test_two_colons_are_every_address_of_both_families(
    serve: Any, browser: aiohttp.ClientSession, server: str
) -> None:
    _, url = await serve(PEER, host="::", server=server)
    port = int(url.rpartition(":")[2])
    for host, seen in (("[::1]", "::1"), ("127.0.0.1", "127.0.0.1")):
        async with browser.get(f"http://{host}:{port}/peer") as response:
            assert await response.json() == seen, (
                "limits and proxies are told by addresses as people write them"
            )


async def test_a_given_port_is_taken_in_both_families(serve: Any, browser: aiohttp.ClientSession) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    await serve(PEER, host="::", port=port)
    for host in ("[::1]", "127.0.0.1"):
        async with browser.get(f"http://{host}:{port}/peer") as response:
            assert response.status == 200


async def test_a_port_that_one_family_has_not_free_is_refused_or_another_one_is_found(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PluginError, match=f"port {port}: Address already in use"):
            await serve(host="::", port=port)

        bind = listen.Listener._bind
        asked: list[int] = []

        def unlucky(self: Any, family: Any, address: Any) -> int:
            if family == socket.AF_INET:
                asked.append(address[1])
                address = ("0.0.0.0", port if len(asked) < 3 else address[1])
            return bind(self, family, address)

        monkeypatch.setattr(listen.Listener, "_bind", unlucky)
        _, url = await serve(host="::")
        assert len(asked) == 3
        assert url.endswith(f":{asked[-1]}")


@pytest.mark.parametrize("number", sorted(listen.NO_IPV6))
async def test_without_ipv6_two_colons_are_ipv4_and_the_log_says_so(
    serve: Any,
    browser: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    monkeypatch.setattr(listen.socket, "socket", type("Socket", (WithoutIpv6,), {"number": number}))
    with caplog.at_level(logging.WARNING, "rtcore.http"):
        _, url = await serve(PEER, host="::")
    monkeypatch.undo()
    assert "this system has no IPv6: `::` is IPv4 only" in caplog.text
    assert url.startswith("http://0.0.0.0:")
    async with browser.get(f"http://127.0.0.1:{url.rpartition(':')[2]}/peer") as response:
        assert response.status == 200


async def test_without_ipv6_one_of_its_addresses_is_refused_with_what_to_do(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen.socket, "socket", WithoutIpv6)
    with pytest.raises(PluginError, match=r"cannot listen on ::1 port 0.*IPv4 address"):
        await serve(host="::1")


async def test_an_address_of_another_machine_is_refused_with_what_to_do(serve: Any) -> None:
    with pytest.raises(PluginError, match=r"cannot listen on 192\.0\.2\.1 .*an address of this machine"):
        await serve(host="192.0.2.1")
