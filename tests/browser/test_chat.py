"""People chat on the demo page, whatever carries their words, and see who is here."""

from __future__ import annotations

import pytest

from tests.browser.playground import ELSEWHERE


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
async def test_two_pages_chat_and_see_each_other_come_and_go(visit, url, transport):
    ada = await visit(url, "Ada", transport=transport)
    grace = await visit(url, "Grace", transport=transport)
    await ada.sees("Ada", "Grace")
    await grace.sees("Grace", "Ada")
    await ada.reads("Grace joined")
    await ada.say("Is this thing on?")
    await grace.reads("Is this thing on?")
    await grace.say("It is.")
    await ada.reads("It is.")
    await ada.connected(transport)
    await grace.connected(transport)
    # A tab that is closed says goodbye: long before its session would expire.
    await grace.page.close(run_before_unload=False)
    await ada.sees("Ada")
    await ada.reads("Grace left")


async def test_pages_on_different_transports_chat(meet, url):
    ada, grace, alan = await meet(url, "Ada", "Grace", "Alan", transports=("websocket", "sse", "polling"))
    await ada.say("Hello to all transports")
    await grace.reads("Hello to all transports")
    await alan.reads("Hello to all transports")
    await alan.say("Hello from the slowest")
    await ada.reads("Hello from the slowest")


async def test_a_phone_in_the_same_network_gets_by_with_plain_http(visit, url):
    ada = await visit(url, "Ada")
    phone = await visit(url.replace("127.0.0.1", ELSEWHERE), "Radia", width=390, height=844)
    assert await phone.page.evaluate("isSecureContext") is False
    await ada.sees("Ada", "Radia")
    await phone.page.click("#views [data-view=instruments]")
    await phone.burst()
    await ada.lost_nothing()


async def test_what_is_said_in_another_room_is_not_heard_and_whoever_went_there_is_gone(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    await grace.become(room="elsewhere")
    await grace.sees("Grace")
    await ada.sees("Ada")
    assert await grace.page.inner_text("#room-name") == "elsewhere"
    assert grace.page.url.endswith("#elsewhere")
    await grace.say("Nobody here")
    await grace.said("Nobody here")
    await ada.say("Still here")
    await ada.said("Still here")
    assert "Nobody here" not in await ada.page.inner_text("#log")
    assert "Still here" not in await grace.page.inner_text("#log")


async def test_whoever_takes_another_name_is_the_same_person(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    before = await grace.info()
    await grace.become(name="Admiral Hopper")
    await grace.sees("Admiral Hopper", "Ada")
    await ada.sees("Ada", "Admiral Hopper")
    await ada.reads("Grace is Admiral Hopper now")
    assert (await grace.info())["sessionId"] == before["sessionId"]
    assert await grace.page.evaluate("localStorage.getItem('rtcore:name')") == "Admiral Hopper"


async def test_a_cut_is_no_leaving(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    await grace.cut()
    await ada.cut()
    await grace.say("Still here")
    await ada.reads("Still here")
    await ada.sees("Ada", "Grace")
    assert "left" not in await ada.page.inner_text("#log")


async def test_a_room_of_more_than_may_be_named_is_a_number(visit, meet, url):
    ada, grace = await meet(url, "Ada", "Grace", room="small:talk")
    alan = await visit(url, "Alan", room="small:talk", joins=False)
    for page in (ada, grace, alan):
        await page.page.locator("#people .more", has_text="3 here").wait_for()
        assert await page.page.locator("#people .name").count() == 0
    await alan.page.close(run_before_unload=False)
    await grace.page.close(run_before_unload=False)
    await ada.sees("Ada")


async def test_markup_in_a_message_and_in_a_name_is_text(meet, url):
    ada, grace = await meet(url, "Ada", "Grace")
    await ada.become(name="<b>Ada</b>")
    await ada.sees("<b>Ada</b>", "Grace")
    await ada.say("<img src=x onerror=alert(1)><b>bold</b>")
    await grace.reads("<img src=x onerror=alert(1)><b>bold</b>")
    await grace.reads("<b>Ada</b>")
    assert await grace.page.locator("#log img, #log .bubble b, .by b b").count() == 0


async def test_a_server_that_wants_a_token_is_given_one(visit, guarded):
    ada = await visit(guarded, "Ada", joins=False, excused="401|WebSocket")
    await ada.status("Stopped")
    token = ada.page.locator("#token")
    await token.fill("a wrong one")
    await ada.page.keyboard.press("Enter")
    await ada.status("that token is none of ours")
    await token.fill("open-sesame-5713")
    await ada.page.keyboard.press("Enter")
    await ada.connected()
    await ada.sees("Ada")
    # Neither the page nor what outlives it has the token, and the wire shows that there was one.
    kept = await ada.page.evaluate(
        "JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href])"
    )
    await ada.frames("hello").last.click()
    shown = await ada.page.content()
    assert '"token": "•••"' in shown
    assert "open-sesame" not in kept + shown
    assert await token.input_value() == ""
