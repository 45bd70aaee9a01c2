"""An answer that streams, where the server has somebody who answers."""

from __future__ import annotations

from playwright.async_api import expect

from tests.browser.lab import ANSWER


async def ask(page, pause):
    """The lab's assistant takes as question how long it is to wait between two words."""
    await page.page.fill("#question", str(pause))
    await page.page.press("#question", "Enter")


async def test_a_server_without_an_assistant_shows_none(visit, url):
    ada = await visit(url, "Ada")
    await ada.say("Anybody there?")
    await ada.said("Anybody there?")
    assert await ada.page.is_hidden("#assistant")
    assert await ada.page.locator("#view-assistant").get_attribute("hidden") is not None


async def test_an_answer_streams_word_by_word(visit, lab):
    ada = await visit(lab, "Ada")
    await ask(ada, 0.01)
    answer = ada.page.locator("#turns .answer")
    await expect(answer).to_have_attribute("aria-busy", "true")
    await expect(answer).to_contain_text("word-5")
    await expect(answer).to_have_text(ANSWER, timeout=20_000)
    await expect(answer).to_have_attribute("aria-busy", "false")
    await expect(ada.page.locator(".answer-facts")).to_contain_text("60 pieces")
    await ada.reads("You are in")  # the room does not get it
    assert "word-5" not in await ada.page.inner_text("#log")
    await expect(ada.page.locator("#turns .note")).to_have_text('counter: {"words":60}')


async def test_an_answer_goes_on_where_it_was_when_the_connection_was_cut(visit, lab):
    ada = await visit(lab, "Ada")
    await ask(ada, 0.04)
    answer = ada.page.locator("#turns .answer")
    await expect(answer).to_contain_text("word-10")
    await ada.cut()
    await expect(answer).to_contain_text("word-25")
    await ada.switch("sse")
    await expect(answer).to_have_text(ANSWER, timeout=20_000)
    await expect(ada.page.locator(".answer-facts")).to_contain_text("60 pieces")  # each once
    assert await ada.count("lost") == 0


async def test_an_answer_that_is_stopped_is_stopped_on_the_server_too(visit, lab):
    ada = await visit(lab, "Ada")
    before = await ada.page.evaluate("rt.request('lab:stopped')")
    await ask(ada, 0.2)
    await expect(ada.page.locator("#turns .answer")).to_contain_text("word-1")
    await ada.page.click("#stop")
    await expect(ada.page.locator(".answer-facts")).to_contain_text("stopped")
    await ada.page.wait_for_function(
        "n => rt.request('lab:stopped').then((now) => now === n)", arg=before + 1
    )
    # And another question may be asked at once; Escape stops that one.
    await ask(ada, 0.2)
    await expect(ada.page.locator("#turns .answer").nth(1)).to_contain_text("word-1")
    await ada.page.keyboard.press("Escape")
    await expect(ada.page.locator(".answer-facts").nth(1)).to_contain_text("stopped")


async def test_the_program_in_the_docs_is_an_assistant(visit, assistant):
    ada = await visit(assistant, "Ada")
    await ada.page.fill("#question", "Hello")
    await ada.page.press("#question", "Enter")
    answer = ada.page.locator("#turns .answer")
    await expect(answer).to_have_text("You said: Hello. More than that I do not know. ")
    await expect(answer).to_have_attribute("aria-busy", "false")
