"""Numbered messages, and everything that a network does to them."""

from __future__ import annotations

from playwright.async_api import expect

TRANSPORTS = ("websocket", "sse", "polling")


async def test_switching_the_transport_mid_stream_loses_nothing(meet, url):
    late = "409"  # a poll that was under way when the session had left it
    ada, grace = await meet(url, "Ada", "Grace", excused=late)
    await ada.burst(1000)  # on a quick machine a hundred have arrived before a page has moved twice
    for n, transport in ((50, "sse"), (300, "polling"), (600, "websocket")):
        await ada.counted_to(n)
        await ada.switch(transport)
        await grace.switch(transport)
    await ada.lost_nothing(1000)
    await grace.lost_nothing(1000)
    for page in (ada, grace):
        assert await page.count("attaches") == 4
        assert await page.count("resumed") == 0  # it moved, and was never away
        carried = await page.carried_by()
        assert all(f"over {name}" in carried for name in ("WebSocket", "SSE", "polling")), carried


async def test_cutting_the_connection_by_the_button_loses_nothing(meet, url):
    ada, grace = await meet(url, "Ada", "Grace", transports=("websocket", "sse"))
    await ada.burst()
    await ada.counted_to(20)
    await ada.cut()
    await grace.cut()
    await ada.cut()
    await ada.lost_nothing()
    await grace.lost_nothing()
    await ada.confirmed()


async def test_polls_that_are_cut_are_asked_again_and_lose_nothing(visit, url):
    ada = await visit(url, "Ada", transport="polling")
    await ada.burst(cuts=5)
    await ada.reads("it is asked again")
    await ada.lost_nothing()
    await ada.connected("polling")
    assert await ada.count("resumed") == 0


async def test_a_thousand_messages_with_twenty_cuts_on_the_way_lose_nothing(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    await ada.burst(1000, cuts=20)
    await ada.lost_nothing(of=1000)
    await grace.lost_nothing(of=1000)
    assert await ada.count("resumed") >= 5
    assert await ada.count("again") > 0  # what was in flight when it was cut has been sent again
    assert await ada.page.locator(".run .cells i").count() == 100
    assert await ada.page.locator(".run .cells i.part, .run .cells i:not([class])").count() == 0
    await ada.confirmed()


async def test_connections_that_the_server_closes_lose_nothing(meet, lab):
    pages = await meet(lab, "Ada", "Grace", "Alan", transports=TRANSPORTS, excused="503")
    ada = pages[0]
    await ada.burst()
    for n in (15, 50):
        await ada.counted_to(n)
        before = [await page.count("resumed") for page in pages]
        assert await ada.page.evaluate("rt.request('lab:drop')") >= len(pages)
        for page, resumed in zip(pages, before, strict=True):
            await page.counts("resumed", resumed + 1)
    for page in pages:
        await page.lost_nothing()


async def test_a_network_that_is_cut_again_and_again_loses_nothing(meet, proxy):
    excused = "ERR_|WebSocket connection"  # what Chromium says of requests that the cut has ended
    pages = await meet(proxy.url, "Ada", "Grace", "Alan", transports=TRANSPORTS, excused=excused)
    # Those that hold a connection must resume. Polls may go on as if nothing had happened.
    ada, grace, _ = pages
    await ada.burst()
    for n in (10, 30, 50):
        await ada.counted_to(n)
        before = await ada.count("resumed"), await grace.count("resumed")
        assert proxy.cut() >= len(pages)
        await ada.counts("resumed", before[0] + 1)
        await grace.counts("resumed", before[1] + 1)
    for page in pages:
        await page.lost_nothing()
        await page.connected()


async def test_what_the_server_does_not_keep_is_told_and_not_called_nothing(meet, serve):
    server = await serve("message_buffer_size=20")
    ada, grace = await meet(server.url, "Ada", "Grace")
    await grace.page.click("#offline")
    await ada.page.evaluate(
        "room => Promise.all(Array.from({ length: 100 }, (_, n) => rt.sendToRoom(room, "
        "'playground:number', { by: 'ada', name: 'Ada', run: 'r', n: n + 1, of: 100 }, { confirm: true })))",
        await ada.page.inner_text("#room-name"),
    )
    await ada.lost_nothing()
    await grace.page.click("#offline")
    verdict = grace.page.locator("#verdict[data-verdict=told]")
    await expect(verdict).to_contain_text("Lost, but not unheard")
    missing = int((await verdict.inner_text()).split(" missing")[0].rsplit(" ", 1)[1])
    await grace.counts("lost", missing)
    assert await grace.count("lost") == missing > 50
    await grace.reads(f"The server dropped {missing} messages")


async def test_the_page_keeps_within_the_rate_that_the_server_allows(visit, serve):
    server = await serve("rate_limit_per_second=50")
    ada = await visit(server.url, "Ada", excused="409")
    await expect(ada.page.locator("#lasts")).to_contain_text("About 3 s")
    await ada.burst()
    await ada.counted_to(10)
    await ada.switch("polling")
    await ada.say("And a word in between")
    await ada.said("And a word in between")
    await ada.lost_nothing()
    assert await ada.page.locator(".note.bad").count() == 0


async def test_a_server_that_is_killed_in_the_middle_and_started_again(meet, serve):
    slowly = "rate_limit_per_second=40"  # or all would be said before it is back
    server = await serve(slowly)
    ada, grace = await meet(server.url, "Ada", "Grace", excused="ERR_|WebSocket connection|503")
    first = await ada.info()
    await ada.burst()
    await grace.counted_to(10)
    server.process.kill()
    await server.stop()
    await ada.status("Reconnecting")
    await serve(slowly, port=server.port)
    for page in (ada, grace):
        await page.connected()
        await page.reads("in a new session: the server was restarted")
    assert (await ada.info())["sessionId"] != first["sessionId"]
    # They are in their room again, by name, and what comes now arrives.
    await ada.sees("Ada", "Grace")
    await grace.sees("Grace", "Ada")
    await grace.say("Back again")
    await ada.reads("Back again")
    # A memory that was killed is gone. The page says what it costs, and does not call it nothing.
    for page in (ada, grace):
        await page.page.locator("#verdict[data-verdict=told], #verdict[data-verdict=whole]").wait_for()
        said = await page.page.inner_text("#verdict")
        assert "none twice" in said or "0 twice, 0 out of order" in said
    # Its own messages waited while nobody took them; only what was under way when it happened may be missing.
    arrived = await ada.page.locator(".run p:first-child span").inner_text()
    assert int(arrived.split()[0]) > 50
