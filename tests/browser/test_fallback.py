"""What the page does where a transport does not work."""

from __future__ import annotations

import re

REFUSED = "WebSocket connection|404|405"


async def test_without_websocket_the_page_falls_back_to_sse(visit, serve):
    server = await serve("--set", 'disabled=["websocket"]')
    ada = await visit(server.url, "Ada", excused=REFUSED)
    await ada.connected("sse")
    await ada.say("By other means")
    await ada.page.locator("li.mine:not(.waiting)").wait_for()


async def test_without_websocket_and_sse_the_page_falls_back_to_polling(visit, serve):
    server = await serve("--set", 'disabled=["websocket", "sse"]')
    ada = await visit(server.url, "Ada", excused=REFUSED)
    grace = await visit(server.url, "Grace", excused=REFUSED)
    await ada.connected("polling")
    await ada.joined("Grace")
    await ada.burst()
    await grace.lost_nothing()
    await ada.lost_nothing()


async def test_a_websocket_that_opens_and_says_nothing_is_given_up(visit, url):
    async def mute(playground):
        await playground.page.route_web_socket(re.compile(r"/rt/ws$"), lambda _: None)

    ada = await visit(url, "Ada", prepare=mute)
    await ada.connected("sse")


async def test_a_switch_to_a_transport_that_does_not_work_changes_nothing(visit, serve):
    server = await serve("--set", 'disabled=["sse"]')
    ada = await visit(server.url, "Ada", excused=REFUSED)
    await ada.connected("websocket")
    await ada.burst()
    await ada.page.locator("#transports label:has(input[value=sse])").click()
    await ada.reads("SSE does not work here")
    await ada.connected("websocket")
    await ada.lost_nothing()
