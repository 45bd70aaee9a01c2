"""Browsers: who may connect, what they are told, and what cookies are worth."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp import web
from rtcore_http.answers import answer
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route

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
