"""People chat on the demo page, whatever carries their words."""

from __future__ import annotations

import pytest

from tests.browser.playground import ELSEWHERE


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_two_pages_chat(visit, url, transport):
    ada = await visit(url, "Ada", transport=transport)
    grace = await visit(url, "Grace", transport=transport)
    await ada.joined("Grace")
    await ada.say("Is this thing on?")
    await grace.reads("Is this thing on?")
    await grace.say("It is.")
    await ada.reads("It is.")
    await ada.connected(transport)
    await grace.connected(transport)


async def test_pages_on_different_transports_chat(visit, url):
    ada = await visit(url, "Ada", transport="websocket")
    grace = await visit(url, "Grace", transport="sse")
    alan = await visit(url, "Alan", transport="polling")
    await ada.say("Hello to all transports")
    await grace.reads("Hello to all transports")
    await alan.reads("Hello to all transports")
    await alan.say("Hello from the slowest")
    await ada.reads("Hello from the slowest")


async def test_a_phone_in_the_same_network_gets_by_with_plain_http(visit, url):
    ada = await visit(url, "Ada")
    phone = await visit(url.replace("127.0.0.1", ELSEWHERE), "Radia", width=390, height=844)
    assert await phone.page.evaluate("isSecureContext") is False
    await ada.joined("Radia")
    await phone.burst()
    await ada.lost_nothing()


async def test_what_is_said_in_another_room_is_not_heard(visit, url):
    ada = await visit(url, "Ada")
    grace = await visit(url, "Grace")
    await ada.joined("Grace")
    await grace.page.fill("#room", "elsewhere")
    await grace.page.click("#join button")
    await grace.page.wait_for_function(
        "() => document.getElementById('room-name').textContent === 'elsewhere'"
    )
    await grace.say("Nobody here")
    await grace.page.locator("li.mine:not(.waiting)").wait_for()
    await ada.say("Still here")
    await ada.page.locator("li.mine:not(.waiting)").wait_for()
    assert "Nobody here" not in await ada.page.inner_text("#log")
    assert "Still here" not in await grace.page.inner_text("#log")


async def test_markup_in_a_message_is_text(visit, url):
    ada = await visit(url, "Ada")
    grace = await visit(url, "Grace")
    await ada.joined("Grace")
    await ada.say("<img src=x onerror=alert(1)><b>bold</b>")
    await grace.reads("<img src=x onerror=alert(1)><b>bold</b>")
    assert await grace.page.locator("#log .bubble img, #log .bubble b").count() == 0


async def test_the_page_shows_the_session_and_keeps_its_secret(visit, url):
    ada = await visit(url, "Ada")
    session, secret = await ada.page.evaluate("[rt.line.session, rt.line.secret]")
    assert await ada.page.inner_text("#session") == session
    assert secret not in await ada.page.content()


async def test_the_page_shows_round_trips_and_quality(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.wait_for_function("() => /^[\\d.]+ ms$/.test(document.getElementById('rtt').textContent)")
    await ada.page.wait_for_function("() => document.getElementById('quality').textContent === 'excellent'")
    assert await ada.page.locator("#spark .line").get_attribute("d")
