"""Settings that are read again: certificates, lists and the log, all or nothing, while connections go on."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from rtcore_http.answers import answer
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route

from rtcore.app import App
from rtcore.errors import PluginError, SettingsError


async def peer(request: web.Request) -> web.StreamResponse:
    return answer(handshake_of(request, "test").peer)


PEER = Route("POST", "/peer", peer)


def again(app: App, **http: Any) -> tuple[str, ...]:
    """Read this again; return the keys that have changed."""
    return app.reload({"http": {"port": 0, **http}}).changed


async def status(browser: aiohttp.ClientSession, url: str, **headers: str) -> int:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with browser.post(url + "/peer", headers=given) as response:
        return response.status


async def test_the_lists_hold_from_the_next_request_on(serve: Any, browser: aiohttp.ClientSession) -> None:
    app, url = await serve(PEER, origins=["https://old.example"])
    assert await status(browser, url, Origin="https://old.example") == 200
    changed = again(
        app, origins=["https://new.example"], allowed_hosts=["my.example"], trusted_proxies=["127.0.0.1"]
    )
    assert changed == ("http.origins", "http.allowed_hosts", "http.trusted_proxies")
    assert await status(browser, url, Origin="https://old.example") == 403
    assert await status(browser, url, Origin="https://new.example") == 200
    assert await status(browser, url, Host="my.example") == 200
    async with browser.post(url + "/peer", headers={"X-Forwarded-For": "9.9.9.9"}) as response:
        assert await response.json() == "9.9.9.9"
        assert response.headers["Vary"] == "Origin"
    assert again(app) == ("http.origins", "http.allowed_hosts", "http.trusted_proxies")
    assert await status(browser, url, Host="my.example") == 421, "on a loopback address the default is local"


async def test_a_head_that_was_let_in_before_is_judged_anew(serve: Any, connect: Any) -> None:
    app, url = await serve(origins=["https://old.example"])
    raw = await connect(url)
    post = b"POST /rt/send HTTP/1.1\r\nHost: a\r\nOrigin: https://old.example\r\nContent-Length: 2\r\n\r\n{}"
    for _ in range(3):
        await raw.send(post)
        head = await raw.head()
        assert b" 400 " in head
        assert b"Access-Control-Allow-Origin: https://old.example" in head
        await raw.body(head)
    again(app)
    await raw.send(post)
    head = await raw.head()
    assert b" 403 " in head
    assert b"Access-Control" not in head


async def test_what_is_bad_changes_nothing_at_all(
    serve: Any, browser: aiohttp.ClientSession, tls: Any
) -> None:
    app, url = await serve(PEER, origins=["https://old.example"])
    for bad, error in (
        ({"origins": ["https://new.example", "nonsense"]}, SettingsError),
        ({"origins": ["https://new.example"], "prot": 1}, SettingsError),
        ({"origins": ["https://new.example"], "tls_certificate": str(tls.certificate)}, PluginError),
    ):
        with pytest.raises(error):
            again(app, **bad)
        assert await status(browser, url, Origin="https://old.example") == 200
        assert await status(browser, url, Origin="https://new.example") == 403


async def test_what_needs_a_restart_is_named_and_is_as_it_was(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    app, url = await serve(PEER)
    found = app.reload({"http": {"port": 0, "base": "/other", "hsts": 7}, "session_ttl": 5})
    assert found.changed == ("http.hsts",)
    assert found.kept == ("session_ttl", "http.base")
    assert app.options.session_ttl == 120
    async with browser.get(url + "/rt") as response:
        assert response.status == 200


async def test_the_access_log_can_be_begun_and_ended(
    serve: Any, browser: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rtcore.http.access")
    app, url = await serve(PEER)
    for wanted in (True, False):
        again(app, access_log=wanted)
        caplog.clear()
        async with aiohttp.ClientSession() as another:
            assert await status(another, url) == 200
        assert ("POST /peer 200" in caplog.text) is wanted


# -- certificates ------------------------------------------------------------------------------------------------------


class Certificates:
    """Two files, and authorities one after the other."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self.authority = trustme.CA()
        self.renew()

    def renew(self) -> None:
        """Another authority has issued another certificate."""
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1")
        self.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    @property
    def settings(self) -> dict[str, str]:
        return {"tls_certificate": str(self.certificate), "tls_key": str(self.key)}

    async def trusted(self, url: str) -> bool:
        """Whether the present authority has issued what the server shows."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        async with aiohttp.ClientSession() as browser:
            try:
                async with browser.get(url + "/healthz", ssl=context) as response:
                    return response.status == 200
            except aiohttp.ClientConnectorCertificateError:
                return False


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
async def test_a_renewed_certificate_is_shown_and_connections_go_on(
    serve: Any, certificates: Certificates, server: str
) -> None:
    app, url = await serve(server=server, **certificates.settings)
    context = ssl.create_default_context()
    certificates.authority.configure_trust(context)
    host, port = url.split("//")[1].split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    certificates.renew()
    assert not await certificates.trusted(url)
    assert again(app, server=server, **certificates.settings) == ()
    assert await certificates.trusted(url)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await reader.readline(), "one that was there before goes on"
    writer.close()


async def test_a_certificate_that_cannot_be_used_leaves_the_old_one(
    serve: Any, certificates: Certificates
) -> None:
    app, url = await serve(**certificates.settings)
    settings = certificates.settings
    key = certificates.key.read_bytes()
    for bad in (b"", b"-----BEGIN PRIVATE KEY-----\n", trustme.CA().issue_cert("a").private_key_pem.bytes()):
        certificates.key.write_bytes(bad)
        with pytest.raises(PluginError, match="cannot be used"):
            again(app, origins=["https://new.example"], **settings)
        assert await certificates.trusted(url)
    certificates.key.unlink()
    with pytest.raises(PluginError, match="no file at"):
        again(app, **settings)
    assert await certificates.trusted(url)
    certificates.key.write_bytes(key)
    again(app, **settings)
    assert await certificates.trusted(url)


async def test_tls_can_neither_begin_nor_end(serve: Any, certificates: Certificates) -> None:
    app, url = await serve(**certificates.settings)
    with pytest.raises(PluginError, match="neither begin nor end"):
        again(app)
    assert await certificates.trusted(url)


# -- what TLS tells browsers -------------------------------------------------------------------------------------------


async def test_with_tls_browsers_are_told_to_insist_on_it(
    serve: Any, browser: Any, certificates: Certificates
) -> None:
    app, url = await serve(PEER, allowed_hosts=["my.example"], **certificates.settings)
    context = ssl.create_default_context()
    certificates.authority.configure_trust(context)

    async def told(host: str, method: str = "GET", path: str = "/healthz") -> str | None:
        async with browser.request(method, url + path, ssl=context, headers={"Host": host}) as response:
            found: str | None = response.headers.get("Strict-Transport-Security")
            return found

    assert await told("my.example") == "max-age=2592000"
    assert await told("my.example", "POST", "/peer") == "max-age=2592000"
    assert await told("my.example:8443", "GET", "/nowhere") == "max-age=2592000"
    for here in ("localhost:8443", "127.0.0.1", "[::1]:1", "nas"):
        assert await told(here) is None, here
    again(app, hsts=0, allowed_hosts=["my.example"], **certificates.settings)
    assert await told("my.example") is None


async def test_without_tls_they_are_told_nothing(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(PEER)
    async with browser.get(url + "/healthz", headers={"Host": "my.example"}) as response:
        assert "Strict-Transport-Security" not in response.headers
