"""What anybody can see and reach: small screens, dark rooms, no mouse."""

from __future__ import annotations

import pytest

WIDTH = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"

# WCAG 2.2, section 1.4.3: the contrast of a text with what is behind it.
CONTRAST = """selector => {
  const rgb = (css) => (css.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const element = document.querySelector(selector);
  let behind = element;
  while (rgb(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
  const [one, other] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
    .map((css) => light(rgb(css)) + 0.05);
  return Math.max(one, other) / Math.min(one, other);
}"""
TEXTS = [
    ".bar h1 span", "#status", ".chat h2", ".inline label", "#join button", ".mine .by", ".mine .bubble", "li.note",
    "#say button", ".segments label:last-child span", ".trip span", "#quality", "#cut", ".facts dt", ".hint",
    "#burst", "#verdict b", "#verdict span", ".counters dt", ".run .legend",
]  # fmt: skip


@pytest.mark.parametrize("width", [320, 390, 768])
async def test_a_small_screen_never_scrolls_sideways(visit, url, width):
    ada = await visit(url, "Ada", width=width, height=800)
    await ada.say("A word without any end: " + "a" * 300)
    await ada.burst()
    await ada.counted_to(5)
    scroll, client = await ada.page.evaluate(WIDTH)
    assert scroll <= client


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_what_is_behind_it(visit, url, scheme):
    ada = await visit(url, "Ada", scheme=scheme)
    await ada.say("Can you read this?")
    await ada.page.locator("li.mine:not(.waiting)").wait_for()
    await ada.burst()
    await ada.switch("sse")
    await ada.lost_nothing()
    faint = {text: ratio for text in TEXTS if (ratio := await ada.page.evaluate(CONTRAST, text)) < 4.5}
    assert not faint


async def test_everything_can_be_reached_by_keyboard(visit, url):
    ada = await visit(url, "Ada")
    reached = []
    for _ in range(9):
        await ada.page.keyboard.press("Tab")
        reached.append(
            await ada.page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert reached[:6] == ["name", "room", "Join", "log", "text", "Send"]
    assert reached[7:] == ["cut", "burst"]


async def test_the_arrow_keys_switch_the_transport(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.focus("#transports input:checked")
    await ada.page.keyboard.press("ArrowRight")
    await ada.connected("sse")
    assert (
        await ada.page.evaluate("getComputedStyle(document.activeElement.nextElementSibling).outlineStyle")
        == "solid"
    )


async def test_a_screen_reader_hears_messages_but_not_every_number(visit, url):
    ada = await visit(url, "Ada")
    log = ada.page.locator("#log")
    assert await log.get_attribute("role") == "log"
    assert await log.get_attribute("aria-live") == "polite"
    await ada.burst()
    assert await ada.page.locator(".run").get_attribute("aria-live") == "off"
    assert await ada.page.locator("#verdict").get_attribute("role") == "status"
