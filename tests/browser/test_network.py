"""What the page does to its own network: cut, slow, offline; and what it shows of the connection."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.browser.playground import Playground


async def test_offline_nothing_leaves_and_online_everything_does(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    switch = ada.page.get_by_role("switch", name="Offline")
    await switch.click()
    await expect(switch).to_be_checked()
    await ada.status("Offline, as you wish")
    assert await ada.page.is_disabled("#cut")
    await ada.say("From under the sea")
    await ada.page.locator("li.mine.waiting").wait_for()
    await ada.counts("waiting", 1)
    await grace.say("Where is Ada?")
    await grace.said("Where is Ada?")
    await switch.click()
    await ada.connected()
    await ada.reads("Where is Ada?")
    await ada.said("From under the sea")
    await grace.reads("From under the sea")
    await ada.reads("the session was resumed")
    await ada.sees("Ada", "Grace")


async def test_a_slow_network_is_slow_and_loses_nothing_on_any_transport(meet, url):
    async def slow_down(page: Playground) -> None:
        await page.page.select_option("#pace", "slow")
        # 200 ms each way: the next round trip cannot take less.
        await page.page.wait_for_function("() => parseInt(document.getElementById('rtt').textContent) >= 400")
        attaches = await page.count("attaches")
        await page.say("Slowly")
        await page.said("Slowly")
        await page.page.select_option("#pace", "full")
        await page.say("Quickly")
        await page.said("Quickly")
        assert await page.count("attaches") == attaches
        assert await page.count("lost") == 0

    names = ("Ada", "Grace", "Alan")
    await asyncio.gather(*map(slow_down, await meet(url, *names, transports=("websocket", "sse", "polling"))))


async def test_a_cut_loses_what_waits_in_a_slow_lane_and_it_is_sent_again(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.select_option("#pace", "crawl")
    await ada.say("Lost on the way, and sent again")
    await ada.counts("sent", 3)
    await ada.page.click("#cut")
    await ada.page.select_option("#pace", "full")
    await ada.said("Lost on the way, and sent again")
    await ada.counts("again", 1)
    assert await ada.count("lost") == 0


async def test_the_page_shows_round_trips_and_quality_also_in_words(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.wait_for_function("() => /^[\\d.]+ ms$/.test(document.getElementById('rtt').textContent)")
    await expect(ada.page.locator("#quality")).to_have_text("excellent")
    assert await ada.page.locator("#graph .line").get_attribute("d")
    assert await ada.page.locator("#graph rect.excellent, #graph rect.good").count() >= 1
    await ada.cut()
    await expect(ada.page.locator("#graph-says")).to_contain_text("one gap")
    assert await ada.page.locator("#graph rect.gap").count() == 1
    graph = ada.page.get_by_role("img", name="Round trips and quality")
    assert await graph.get_attribute("aria-describedby") == "graph-says"
