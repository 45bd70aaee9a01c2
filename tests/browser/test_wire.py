"""The wire as the page shows it: every frame, both ways, bounded, and without its secrets."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import expect


async def test_frames_are_shown_both_ways_as_they_happen(visit, url):
    ada = await visit(url, "Ada")
    assert await ada.frames("hello").count() == await ada.frames("welcome").count() == 1
    await ada.say("Look at this")
    await ada.said("Look at this")
    said = ada.frames("playground:said")
    await expect(said).to_have_count(2)  # to the room, and back from it
    up, down = await said.nth(0).inner_text(), await said.nth(1).inner_text()
    assert "↑" in up
    assert re.search(r"trace [0-9a-f]{8}", up)
    assert "↓" in down
    for shown in (up, down):
        assert re.search(r"\d\d:\d\d:\d\d\.\d{3}", shown)
        assert re.search(r"\d+ B", shown)
        assert "WS" in shown
        assert "text:Look at this" in shown
    await said.nth(0).click()
    item = json.loads(await ada.page.locator("#frames pre").inner_text())
    assert (item["type"], item["room"], item["payload"]["text"]) == (
        "playground:said",
        await ada.page.inner_text("#room-name"),
        "Look at this",
    )
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", item["trace"])


async def test_what_is_urgent_says_so(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.evaluate("rt.request('echo', 1, { priority: 'critical' })")
    await expect(ada.frames("critical")).to_have_count(2)


async def test_one_sees_what_one_asks_for(visit, url):
    ada = await visit(url, "Ada")
    await ada.say("Needle")
    await ada.said("Needle")
    await ada.choose("way", "up")
    await expect(ada.page.locator("#frames li.down")).to_have_count(0)
    await ada.frames("hello").wait_for()
    await ada.choose("way", "both")
    await ada.page.locator("#control-items").uncheck()
    await expect(ada.frames("welcome")).to_have_count(0)
    await ada.page.fill("#search", "needle")
    await expect(ada.page.locator("#frames .frame")).to_have_count(2)
    await ada.page.fill("#search", "nothing has this in it")
    await expect(ada.page.locator("#frames")).to_have_attribute("data-empty", "true")


async def test_paused_it_stands_still_and_then_catches_up(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.click("#pause")
    before = await ada.page.locator("#frames .frame").count()
    await ada.say("Unseen")
    await ada.said("Unseen")
    await expect(ada.page.locator("#pause")).to_contain_text("new)")
    assert await ada.page.locator("#frames .frame").count() == before
    await ada.page.click("#pause")
    await expect(ada.frames("playground:said")).to_have_count(2)
    await ada.page.click("#clear")
    await expect(ada.frames("playground:said")).to_have_count(0)


async def test_it_keeps_no_more_than_it_says(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.evaluate("Promise.all(Array.from({ length: 200 }, (_, n) => rt.request('echo', n)))")
    await ada.page.evaluate("rt.request('echo', 'the last ' + 'x'.repeat(100_000))")
    await ada.frames("100").last.wait_for()
    await expect(ada.page.locator("#frames .frame")).to_have_count(300)
    await ada.frames("100").last.click()
    assert len(await ada.page.locator("#frames pre").inner_text()) < 5000


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_no_secret_is_shown_or_kept(visit, url, transport):
    crossed: list[str] = []

    async def watch(playground):
        page = playground.page
        page.on("request", lambda request: crossed.append(request.post_data or ""))

        def socket(opened):
            opened.on("framesent", lambda frame: crossed.append(str(frame)))
            opened.on("framereceived", lambda frame: crossed.append(str(frame)))

        page.on("websocket", socket)

    ada = await visit(url, "Ada", transport=transport, prepare=watch)
    await ada.cut() if transport != "polling" else await ada.say("so that something is posted")
    secrets = set(re.findall(r'"(?:secret|nonce)":"([^"]+)"', "\n".join(crossed)))
    assert len(secrets) >= 3
    await ada.page.evaluate("document.querySelectorAll('#frames .frame').forEach((row) => row.click())")
    shown = await ada.page.content()
    assert '"secret": "•••"' in shown
    assert not [secret for secret in secrets if secret in shown]
    # Nor does searching find what may not be read.
    await ada.page.fill("#search", next(iter(secrets)))
    await expect(ada.page.locator("#frames .frame")).to_have_count(0)


async def test_the_page_shows_the_session(visit, url):
    ada = await visit(url, "Ada")
    assert await ada.page.inner_text("#session") == (await ada.info())["sessionId"]
