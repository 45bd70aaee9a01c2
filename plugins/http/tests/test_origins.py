"""Browsers: who may connect, what they are told, and what cookies are worth."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import rtcore_http
from aiohttp import web
from rtcore_http.answers import answer
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route

from rtcore.app import App
from rtcore.errors import SettingsError

LISTED = "https://app.example"
STRANGER = "https://evil.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


async def shown(request: web.Request) -> web.StreamResponse:
    """Show what a handshake of the request holds."""
    made = handshake_of(request, "test")
    return answer(
        {
            "peer": made.peer,
            "codec": made.codec,
            "token": made.token,
            "path": made.path,
            "headers": dict(made.headers),
            "query": dict(made.query),
            "subprotocols": made.subprotocols,
            "repr": repr(made),
        }
    )


SHOWN = Route("POST", "/shown", shown)


async def test_a_listed_origin_may_read_the_answer_and_send_cookies(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN, origins=[LISTED])
    async with browser.post(url + "/shown", headers={"Origin": LISTED, "Cookie": "a=b"}) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == LISTED
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"
        assert (await response.json())["headers"]["cookie"] == "a=b"


@pytest.mark.parametrize(
    "origin", [STRANGER, "null", "https://", "app.example", "https://app.example.evil.example", "http://["]
)
async def test_a_stranger_is_refused(serve: Any, browser: aiohttp.ClientSession, origin: str) -> None:
    _, url = await serve(SHOWN, origins=[LISTED])
    async with browser.post(url + "/shown", headers={"Origin": origin, "Cookie": "a=b"}) as response:
        assert response.status == 403
        assert (await response.json(content_type=None))[1]["code"] == "origin_refused"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_with_no_list_only_pages_of_this_host_may_connect(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN)
    async with browser.post(url + "/shown", headers={"Origin": url, "Cookie": "a=b"}) as response:
        assert response.status == 200
        assert (await response.json())["headers"]["cookie"] == "a=b"
    async with browser.post(url + "/shown", headers={"Origin": STRANGER}) as response:
        assert response.status == 403


async def test_a_client_without_an_origin_is_no_browser(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(SHOWN, origins=[LISTED])
    async with browser.post(url + "/shown") as response:
        assert response.status == 200


async def test_anybody_may_connect_but_cookies_then_prove_nothing(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN, origins=["*"])
    async with browser.post(url + "/shown", headers={"Origin": STRANGER, "Cookie": "a=b"}) as response:
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "cookie" not in (await response.json())["headers"]


async def test_a_preflight_is_answered_and_remembered(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(SHOWN, origins=[LISTED], preflight_max_age=600)
    async with browser.options(url + "/shown", headers={"Origin": LISTED, **PREFLIGHT}) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == LISTED
        assert response.headers["Access-Control-Allow-Methods"] == "POST"
        assert "content-type" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Access-Control-Max-Age"] == "600"


async def test_a_strangers_preflight_is_refused(serve: Any, browser: aiohttp.ClientSession) -> None:
    _, url = await serve(SHOWN, origins=[LISTED])
    async with browser.options(url + "/shown", headers={"Origin": STRANGER, **PREFLIGHT}) as response:
        assert response.status == 403
    async with browser.options(url + "/nowhere", headers={"Origin": LISTED, **PREFLIGHT}) as response:
        assert response.status == 403


async def test_a_handshake_holds_what_matters_and_hides_the_token(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN)
    headers = {
        "Authorization": "Bearer swordfish",
        "X-Api-Key": "k",
        "Accept-Language": "en",
        "Sec-WebSocket-Protocol": "rtcore.v1, other",
        "X-Forwarded-For": "9.9.9.9",
    }
    async with browser.post(url + "/shown?codec=cbor&token=in-the-url", headers=headers) as response:
        seen = await response.json()
    assert (seen["token"], seen["codec"], seen["path"]) == ("swordfish", "cbor", "/shown")
    assert seen["headers"]["x-api-key"] == "k"
    assert not {"authorization", "accept-language", "content-length"} & set(seen["headers"])
    assert seen["subprotocols"] == ["rtcore.v1", "other"]
    assert seen["peer"] == "127.0.0.1"
    assert "swordfish" not in seen["repr"]


async def test_a_trusted_proxy_is_believed_as_far_as_the_first_stranger(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN, trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"])
    for given, peer in [
        ("6.6.6.6, 9.9.9.9, 10.1.2.3", "9.9.9.9"),
        ("9.9.9.9, not-an-address", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ]:
        async with browser.post(url + "/shown", headers={"X-Forwarded-For": given}) as response:
            assert (await response.json())["peer"] == peer


# -- one host, written in several ways ----------------------------------------------------------------------------


async def asked(browser: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    """The status and, if it is refused, the code of a request with these headers."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with browser.post(url + "/shown", headers=given) as response:
        body = await response.json(content_type=None)
        return response.status, "" if response.status == 200 else body[1]["code"]


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (
            "app.example.com:443",
            "https://app.example.com",
        ),  # a proxy that writes the port, which a browser leaves out
        ("app.example.com:80", "http://app.example.com"),
        ("app.example.com", "https://app.example.com:443"),
        ("app.example.com:80", "https://app.example.com"),  # TLS ends at the proxy
        ("APP.Example.com", "https://app.example.com"),
        ("app.example.com.", "https://app.example.com"),
        ("app.example.com", "https://app.example.com."),
        ("xn--bcher-kva.example", "https://bücher.example"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("app.example.com:8443", "https://app.example.com:8443"),
        ("[::1]:8080", "http://[0:0::1]:8080"),
    ],
)
async def test_a_page_of_the_host_itself_may_connect_however_its_name_is_written(
    serve: Any, browser: aiohttp.ClientSession, host: str, origin: str
) -> None:
    _, url = await serve(SHOWN, allowed_hosts=["*"])
    assert await asked(browser, url, Host=host, Origin=origin) == (200, "")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("app.example.com", "https://app.example.com:8443"),
        ("app.example.com:8443", "https://app.example.com"),
        ("app.example.com:8443", "https://app.example.com:9443"),
        ("app.example.com", "ftp://app.example.com"),
        ("app.example.com", "https://app.example.com@evil.example"),
        ("app.example.com", "https://evil.example#app.example.com"),
        ("app.example.com", "https://app.example.com/"),
        ("app.example.com", "https://app.example.com https://evil.example"),
        ("app.example.com", "https://app.example.com\u0085"),
        ("app.example.com", "https://*.example.com"),
        ("app.example.com", "https://app.example.com:*"),
        ("app.example.com", "https://sub.app.example.com"),
        ("app.example.com", "https://"),
        ("", "https://"),
        ("app.example.com", "https://" + "a" * 300 + ".example"),
    ],
)
async def test_a_page_of_another_port_or_host_may_not(
    serve: Any, browser: aiohttp.ClientSession, host: str, origin: str
) -> None:
    _, url = await serve(SHOWN, allowed_hosts=["*"])
    assert await asked(browser, url, Host=host, Origin=origin) == (403, "origin_refused")


LIST = [
    "https://bücher.example",
    "HTTPS://Shop.Example.:443",
    "https://*.example.org",
    "http://localhost:*",
    "capacitor://localhost",
]


@pytest.mark.parametrize(
    ("origin", "listed"),
    [
        ("https://xn--bcher-kva.example", True),
        ("https://bücher.example", True),
        ("https://shop.example", True),
        ("https://shop.example.:443", True),
        ("https://a.example.org", True),
        ("https://a.b.example.org", True),
        ("https://example.org", False),
        ("https://evilexample.org", False),
        ("https://a.example.org.evil.example", False),
        ("http://a.example.org", False),
        ("https://a.example.org:8443", False),
        ("http://localhost:5173", True),
        ("http://localhost", True),
        ("https://localhost", False),
        ("capacitor://localhost", True),
        ("null", False),
        ("file://", False),
    ],
)
async def test_the_list_means_hosts_and_not_spellings(
    serve: Any, browser: aiohttp.ClientSession, origin: str, listed: bool
) -> None:
    _, url = await serve(SHOWN, origins=LIST)
    async with browser.post(url + "/shown", headers={"Origin": origin}) as response:
        assert response.status == (200 if listed else 403)
        # The browser compares the text.
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if listed else None)


@pytest.mark.parametrize(
    "origin",
    [
        "example.org", "https://", "https://example.org/path", "https://example.org/", "https://*", "https://*.",
        "https://a.*.example.org", "https://a*.example.org", "*://example.org", "https://example.org:port",
        "https://user@example.org", "null", "https://exa mple.org", "",
    ],
)  # fmt: skip
def test_what_can_never_match_is_refused_with_what_would(origin: str) -> None:
    with pytest.raises(SettingsError, match=r'http\.origins.*"https://\*\.example\.com"'):
        App({"http": {"origins": [origin]}}, plugins=[rtcore_http]).boot()


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 200)])
async def test_a_request_that_another_sites_page_has_caused_is_refused_without_an_origin_too(
    serve: Any, browser: aiohttp.ClientSession, site: str, status: int
) -> None:
    _, url = await serve(SHOWN, origins=[LISTED])
    assert (await asked(browser, url, Sec_Fetch_Site=site))[0] == status
    assert (await asked(browser, url, Sec_Fetch_Site=site, Origin=LISTED))[0] == 200


# -- what the server is called -----------------------------------------------------------------------------------------


async def test_on_a_loopback_address_only_local_names_are_this_server(
    serve: Any, browser: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await serve(SHOWN)
    port = url.rpartition(":")[2]
    for local in (f"127.0.0.1:{port}", f"localhost:{port}", "app.localhost", f"[::1]:{port}", "nas"):
        assert await asked(browser, url, Host=local) == (200, "")
    for _ in range(2):
        # The page's name, pointed at this machine: the browser takes the two for the same origin.
        rebound = f"rebind.evil.example:{port}"
        assert await asked(browser, url, Host=rebound, Origin=f"http://{rebound}") == (421, "host_refused")
    assert caplog.text.count("rebind.evil.example") == 1
    assert "allowed_hosts" in caplog.text


async def test_a_server_that_knows_its_names_answers_to_no_other(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN, allowed_hosts=["Bücher.example", "*.apps.example"])
    for host in (
        "xn--bcher-kva.example",
        "BÜCHER.example:443",
        "a.apps.example.",
        "10.0.0.7:8080",
        "localhost",
    ):
        assert await asked(browser, url, Host=host) == (200, ""), host
    for host in ("apps.example", "evilapps.example", "a.apps.example.evil.example", "a b", "x@apps.example"):
        assert await asked(browser, url, Host=host) == (421, "host_refused"), host


async def test_a_server_of_a_whole_network_answers_to_every_name_unless_it_is_told_its_own(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(SHOWN, host="0.0.0.0")
    assert await asked(browser, url.replace("0.0.0.0", "127.0.0.1"), Host="any.example") == (200, "")


@pytest.mark.parametrize(
    "host", ["https://app.example", "app.example:443", "a b", "", "*.", "a.*.example", "app.example/"]
)
def test_what_is_no_name_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"http\.allowed_hosts.*without a port"):
        App({"http": {"allowed_hosts": [host]}}, plugins=[rtcore_http]).boot()
