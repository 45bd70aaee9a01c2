"""What the page does where a transport does not work."""

from __future__ import annotations

import re

REFUSED = "WebSocket connection|404|405"


async def test_without_websocket_the_page_falls_back_to_sse_and_stays_there(visit, serve):
    server = await serve('disabled=["websocket"]')
    ada = await visit(server.url, "Ada", excused=REFUSED)
    await ada.connected("sse")
    await ada.burst()
    # To prefer what does not work changes nothing but the wish.
    await ada.choose("transport", "polling")
    await ada.connected("polling")
    await ada.choose("transport", "websocket")
    await ada.reads("WebSocket does not work here")
    await ada.connected("polling")
    await ada.lost_nothing()


async def test_without_websocket_and_sse_the_page_falls_back_to_polling(meet, serve):
    server = await serve('disabled=["websocket", "sse"]')
    ada, grace = await meet(server.url, "Ada", "Grace", excused=REFUSED)
    await ada.connected("polling")
    await ada.burst()
    await grace.lost_nothing()
    await ada.lost_nothing()


async def test_a_websocket_that_opens_and_says_nothing_is_given_up(visit, url):
    async def mute(playground):
        await playground.page.route_web_socket(re.compile(r"/rt/ws$"), lambda _: None)

    ada = await visit(url, "Ada", prepare=mute)
    await ada.connected("sse")
