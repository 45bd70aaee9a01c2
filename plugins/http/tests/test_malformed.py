"""What cannot be parsed is answered, counted and told in one line, and none of the three holds anything of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

SECRET = b"swordfish"
BEARER = b"Authorization: Bearer " + SECRET
CHUNKED = b"POST /rt/send HTTP/1.1\r\nHost: a\r\n" + BEARER + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
WRONG = {
    "a header's value": [b"GET /rt/ws HTTP/1.1\r\nHost: a\r\n" + BEARER + b"\x01\r\n\r\n"],
    "a request line": [b"GET /rt/ws?token=" + SECRET + b" x HTTP/1.1\r\nHost: a\r\n\r\n"],
    "a request line that is too long": [b"GET /?token=" + SECRET + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n"],
    "a header that is too long": [b"GET / HTTP/1.1\r\nCookie: " + SECRET + b"x" * 40_000 + b"\r\n\r\n"],
    "too many headers": [b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + SECRET + b"\r\n") * 80 + b"\r\n"],
    "a URL": [b"GET http://[" + SECRET + b" HTTP/1.1\r\nHost: a\r\n\r\n"],
    "two lengths": [
        b"POST /rt/send HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        + SECRET
    ],
    "TLS": [b"\x16\x03\x01" + SECRET],
    "what follows a request": [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", SECRET + b" what\r\n\r\n"],
    "a chunk": [CHUNKED, SECRET + b"\r\n\r\n"],
    "a trailer": [CHUNKED, b"1\r\nx\r\n0\r\n" + SECRET + b"\x01: x\r\n\r\n"],
    "a chunk that came with the head": [CHUNKED + SECRET + b"\r\n\r\n"],
}


@pytest.mark.parametrize("server", ["aiofastnet", "asyncio"])
@pytest.mark.parametrize("wrong", WRONG)
async def test_it_is_answered_counted_and_told_without_what_was_sent(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture, server: str, wrong: str
) -> None:
    caplog.set_level(logging.DEBUG)
    app, url = await serve(server=server)
    raw = await connect(url)
    first, *rest = WRONG[wrong]
    await raw.send(first)
    if wrong == "what follows a request":
        await raw.body(await raw.head())
    elif rest:
        # The handler waits for its body by now.
        other = await connect(url)
        await other.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        await other.body(await other.head())
    for piece in rest:
        await raw.send(piece)
    answer = await raw.rest()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 400 " in head.partition(b"\r\n")[0]
    assert b"\r\nServer: rtcore\r\n" in head + b"\r\n"
    assert b"ython" not in answer
    assert b"aiohttp" not in answer
    assert b"malformed_request" in body
    assert SECRET not in answer

    assert app.manager.get_metrics().errors["malformed_request"] == 1
    told = [record for record in caplog.records if record.name in {"rtcore.http", "aiohttp.server"}]
    told = [record for record in told if not record.getMessage().startswith("listening on")]
    assert [(record.levelname, record.exc_info) for record in told] == [("DEBUG", None)]
    assert told[0].getMessage().startswith("a request of 127.0.0.1 cannot be parsed: ")
    assert "\n" not in told[0].getMessage()
    assert SECRET.decode() not in caplog.text


async def test_the_access_log_is_one_line_for_each_request(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rtcore.http.access")
    _, url = await serve(access_log=True)
    raw = await connect(url)
    await raw.send(
        b"GET /x%0a2026-12-01%20INFO%20rtcore.http.access:%2010.0.0.9%20POST%20/admin%20200%1b[31m?token=swordfish"
        b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    await raw.rest()
    [record] = [record for record in caplog.records if record.name == "rtcore.http.access"]
    said = record.getMessage()
    assert said.startswith("127.0.0.1 GET /x%0a2026-12-01%20INFO%20")
    assert said.isprintable()
    assert "swordfish" not in said
