"""A hundred numbered messages, and everything that a network does to them."""

from __future__ import annotations

import pytest


async def test_switching_the_transport_mid_stream_loses_nothing(visit, url):
    late = "409"  # a poll that was under way when the session had left it
    ada = await visit(url, "Ada", excused=late)
    grace = await visit(url, "Grace", excused=late)
    await ada.joined("Grace")
    await ada.burst()
    for n, transport in ((10, "sse"), (35, "polling"), (60, "websocket")):
        await ada.counted_to(n)
        await ada.switch(transport)
        await grace.switch(transport)
    await ada.lost_nothing()
    await grace.lost_nothing()
    for page in (ada, grace):
        assert await page.resumed() == 3
        carried = await page.carried_by()
        assert all(f"over {name}" in carried for name in ("WebSocket", "SSE", "polling")), carried


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_cutting_the_connection_by_the_button_loses_nothing(visit, url, transport):
    ada = await visit(url, "Ada", transport=transport)
    grace = await visit(url, "Grace", transport=transport)
    await ada.joined("Grace")
    await ada.burst()
    await ada.counted_to(20)
    await ada.cut()
    await grace.cut()
    await ada.cut()
    await ada.lost_nothing()
    await grace.lost_nothing()


async def test_connections_that_the_server_closes_lose_nothing(visit, lab):
    pages = [
        await visit(lab, name, transport=transport, excused="503")
        for name, transport in (("Ada", "websocket"), ("Grace", "sse"), ("Alan", "polling"))
    ]
    ada = pages[0]
    await ada.burst()
    for n in (15, 50):
        await ada.counted_to(n)
        before = [await page.resumed() for page in pages]
        assert await ada.page.evaluate("rt.request('lab:drop')") >= len(pages)
        for page, resumed in zip(pages, before, strict=True):
            await page.resumed_beyond(resumed)
    for page in pages:
        await page.lost_nothing()


async def test_a_network_that_is_cut_again_and_again_loses_nothing(visit, proxy):
    excused = "ERR_|WebSocket connection"  # what Chromium says of requests that the cut has ended
    pages = [
        await visit(proxy.url, name, transport=transport, excused=excused)
        for name, transport in (("Ada", "websocket"), ("Grace", "sse"), ("Alan", "polling"))
    ]
    # Those that hold a connection must resume. Polls may go on as if nothing had happened: Chromium itself repeats a
    # request whose kept-alive connection was reset, and a repeated poll or POST is harmless.
    ada, grace, _ = pages
    await ada.burst()
    for n in (10, 30, 50):
        await ada.counted_to(n)
        before = await ada.resumed(), await grace.resumed()
        assert proxy.cut() >= len(pages)
        await ada.resumed_beyond(before[0])
        await grace.resumed_beyond(before[1])
    for page in pages:
        await page.lost_nothing()
        await page.connected()


async def test_the_page_keeps_within_the_rate_that_the_server_allows(visit, serve):
    server = await serve("--set", "rate_limit_per_second=40")
    ada = await visit(server.url, "Ada")
    await ada.burst()
    await ada.counted_to(10)
    await ada.switch("polling")
    await ada.say("And a word in between")
    await ada.reads("And a word in between")
    await ada.lost_nothing()
    assert await ada.page.locator(".note.bad").count() == 0


async def test_a_server_that_was_restarted_is_joined_again_in_a_new_session(visit, serve):
    server = await serve()
    ada = await visit(server.url, "Ada", excused="ERR_|WebSocket connection|503")
    first = await ada.page.inner_text("#session")
    await server.stop()
    await ada.page.wait_for_function("() => document.getElementById('status').dataset.state !== 'connected'")
    await serve(port=server.port)
    await ada.connected()
    await ada.reads("in a new session: the server was restarted")
    assert await ada.page.inner_text("#session") != first
    await ada.say("Back again")
    await ada.page.locator("li.mine:not(.waiting)", has_text="Back again").wait_for()
