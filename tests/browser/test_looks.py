"""What anybody can see and reach: small screens, dark rooms, no mouse, no eyes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.playground import Playground

AXE = Path(__file__).parents[2] / "clients/typescript/node_modules/axe-core/axe.min.js"
WIDTH = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
FOCUSED = """() => {
  const { activeElement: at } = document;
  return at.id || at.value || at.getAttribute('aria-label') || at.textContent.trim();
}"""
OUTLINE = """() => {
  const at = document.activeElement;
  const drawn = getComputedStyle(at.type === 'radio' ? at.nextElementSibling : at);
  return drawn.outlineStyle === 'none' ? 0 : parseFloat(drawn.outlineWidth);
}"""
STICKS_OUT = """() => [...document.querySelectorAll('main *')]
  .filter((one) => getComputedStyle(one.parentElement).overflow === 'visible')
  .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => one.outerHTML.slice(0, 80))"""
MOVING = """() => [...document.querySelectorAll('*')]
  .map((one) => getComputedStyle(one))
  .filter((css) => css.transitionDuration !== '0s' || css.animationName !== 'none').length"""
LIVE = """() => ['[aria-live]:not([aria-live=off])', '[role=status]', '[role=log]', '[role=alert]']
  .flatMap((live) => [...document.querySelectorAll(live)])
  .filter((one, i, all) => all.indexOf(one) === i)
  .map((one) => one.id).sort()"""
VIEWS = ["chat", "assistant", "instruments", "wire"]


@pytest.fixture(scope="module")
def axe() -> str:
    """The checks of axe-core, as a script."""
    if not AXE.is_file():
        pytest.fail("axe-core is not installed; `make client-ts` installs it", pytrace=False)
    return AXE.read_text(encoding="utf-8")


async def faults(page: Playground, axe: str) -> list[str]:
    """What axe-core holds against the page as it is now: WCAG 2.2 A and AA, and its own best practices."""
    await page.page.evaluate(axe)
    found: dict[str, Any] = await page.page.evaluate("axe.run()")
    return [
        f"{fault['id']}: {node['html'][:160]}: {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


async def fill(page: Playground) -> None:
    """Let there be something of everything that the page can show."""
    await page.say("Can you read this?")
    await page.said("Can you read this?")
    await page.page.evaluate("rt.request('echo', 1, { priority: 'critical' })")
    await page.page.evaluate(
        "question.value = '0'; document.getElementById('ask-form').requestSubmit(); burst.click()"
    )
    await page.lost_nothing()
    await page.page.evaluate("[...document.querySelectorAll('#frames .frame')].at(-1).click()")


# -- small screens ---------------------------------------------------------------------------------------------


async def test_no_screen_scrolls_sideways(visit, lab):
    ada = await visit(lab, "Ada")
    await ada.say("A word without any end: " + "a" * 300)
    await fill(ada)
    for width in (320, 360, 768, 1024, 1280, 1440):
        await ada.page.set_viewport_size({"width": width, "height": 740})
        for view in VIEWS if width <= 860 else ["all"]:
            if width <= 860:
                await ada.page.click(f"#views [data-view={view}]")
            scroll, client = await ada.page.evaluate(WIDTH)
            assert scroll <= client, (width, view)
            assert await ada.page.evaluate(STICKS_OUT) == [], (width, view)


async def test_on_a_phone_one_part_is_there_at_a_time(visit, lab):
    ada = await visit(lab, "Ada", width=360, height=740)
    for view in VIEWS:
        await ada.page.click(f"#views [data-view={view}]")
        assert await ada.page.is_visible(f"#{view}")
        assert [other for other in VIEWS if other != view and await ada.page.is_visible(f"#{other}")] == []
        current = ada.page.locator("#views [aria-current]")
        assert [await one.get_attribute("data-view") for one in await current.all()] == [view]


async def test_the_newest_is_in_sight_also_where_it_came_unseen(visit, url):
    ada = await visit(url, "Ada", width=360, height=740)
    for n in range(30):
        await ada.page.evaluate("n => rt.request('echo', n)", n)
    await ada.page.click("#views [data-view=wire]")
    await expect(ada.page.locator("#frames li").last).to_be_in_viewport()


# -- for everybody ---------------------------------------------------------------------------------------------


async def test_axe_finds_nothing_to_complain_of(visit, lab, axe):
    ada = await visit(lab, "Ada")
    await fill(ada)
    await ada.page.click("#offline")
    await ada.status("Offline")
    # The rows of the wire are like each other: a few stand for all, and are looked at quickly.
    await ada.page.fill("#search", "said")
    await ada.frames("playground:said").first.click()
    for scheme in ("light", "dark"):
        await ada.page.emulate_media(color_scheme=scheme)
        await ada.page.set_viewport_size({"width": 360, "height": 740})
        for view in VIEWS:
            await ada.page.click(f"#views [data-view={view}]")
            assert await faults(ada, axe) == [], (scheme, view)
        await ada.page.set_viewport_size({"width": 1440, "height": 900})
        assert await faults(ada, axe) == [], scheme
        await ada.page.click("#change")
        assert await faults(ada, axe) == [], (scheme, "dialog")
        await ada.page.keyboard.press("Escape")


async def test_axe_would_find_something(visit, url, axe):
    ada = await visit(url, "Ada")
    await ada.page.evaluate(
        "text.labels[0].remove(); document.querySelector('#rtt').classList.add('by'); cut.textContent = ''"
    )
    found = " ".join(await faults(ada, axe))
    assert "label" in found
    assert "button-name" in found


async def test_with_reduced_motion_nothing_moves(visit, lab):
    ada = await visit(lab, "Ada", motion="reduce")
    await fill(ada)
    ada.page.context.set_default_timeout(5000)
    assert await ada.page.evaluate("document.getAnimations().length") == 0
    assert await ada.page.evaluate(MOVING) == 0


async def test_a_screen_reader_hears_messages_but_not_every_number_and_frame(visit, lab):
    ada = await visit(lab, "Ada")
    log = ada.page.get_by_role("log", name="Messages")
    assert await log.get_attribute("aria-live") == "polite"
    await ada.burst()
    await ada.counted_to(1)
    assert await ada.page.locator(".run").get_attribute("aria-live") == "off"
    assert await ada.page.evaluate(LIVE) == ["log", "status", "turns", "verdict"]
    # What is live changes when there is something to say, not with each of a hundred messages.
    await ada.page.evaluate(
        """() => {
          window.said = 0;
          const place = ({ target }) => (target.nodeType === 1 ? target : target.parentElement);
          const quiet = (change) => place(change).closest('[aria-live=off]');
          const watch = new MutationObserver((changes) => (window.said += changes.filter((one) => !quiet(one)).length));
          const all = { childList: true, characterData: true, subtree: true };
          for (const id of ['status', 'verdict', 'log']) watch.observe(document.getElementById(id), all);
        }"""
    )
    await ada.lost_nothing()
    assert await ada.page.evaluate("window.said") <= 6
    for role, name in (("banner", None), ("main", None), ("region", "The wire"), ("region", "Connection")):
        assert await ada.page.get_by_role(role, name=name).count() == 1, role


# -- by keyboard alone -------------------------------------------------------------------------------------------


async def test_everything_can_be_reached_by_keyboard_in_order_and_seen_to_be(visit, lab):
    ada = await visit(lab, "Ada")
    reached = []
    for _ in range(19):
        await ada.page.keyboard.press("Tab")
        reached.append(await ada.page.evaluate(FOCUSED))
        assert await ada.page.evaluate(OUTLINE) >= 1, reached[-1]
    assert reached[:17] == [
        "change", "log", "text", "Send", "turns", "question", "ask", "websocket", "cut", "offline", "pace", "100", "5",
        "burst", "pause", "clear", "both",
    ]  # fmt: skip
    assert reached[17:] == ["control-items", "search"]
    # However many frames there are, they are one stop; then the page is over.
    await ada.page.keyboard.press("Tab")
    assert await ada.page.evaluate("document.activeElement.className") == "frame"
    await ada.page.keyboard.press("Tab")
    assert await ada.page.evaluate("document.activeElement.closest('#wire')") is None


async def test_a_whole_visit_without_a_mouse(visit, url):
    ada = await visit(url, "Ada")
    keys = ada.page.keyboard

    async def tab_to(what: str) -> None:
        for _ in range(30):
            if await ada.page.evaluate(FOCUSED) == what:
                return
            await keys.press("Tab")
        pytest.fail(f"{what} cannot be reached")

    # Another name: the dialog has the focus, Escape leaves everything as it was and gives the focus back.
    await tab_to("change")
    await keys.press("Enter")
    await expect(ada.page.locator("#name")).to_be_focused()
    await keys.press("Escape")
    await expect(ada.page.locator("#change")).to_be_focused()
    await ada.sees("Ada")
    await keys.press("Enter")
    await ada.page.locator("#name").press("ControlOrMeta+a")
    await keys.type("Countess")
    await keys.press("Enter")
    await ada.sees("Countess")
    # A message.
    await tab_to("text")
    await keys.type("Without a mouse")
    await keys.press("Enter")
    await ada.said("Without a mouse")
    # Another transport, by the arrows.
    await tab_to("websocket")
    await keys.press("ArrowRight")
    await ada.connected("sse")
    # A cut, offline and online, a slow network and a quick one.
    await tab_to("cut")
    await keys.press("Space")
    await ada.counts("resumed", 1)
    await tab_to("offline")
    await keys.press("Space")
    await ada.status("Offline")
    await keys.press("Space")
    await ada.connected()
    await tab_to("pace")
    await keys.press("ArrowDown")
    await expect(ada.page.locator("#pace")).to_have_value("slow")
    await keys.press("ArrowUp")
    # Numbered messages, without a cut.
    await tab_to("5")
    await keys.press("ArrowLeft")
    await tab_to("burst")
    await keys.press("Enter")
    await ada.lost_nothing()
    # Frames: up and down, open and close.
    await tab_to("pause")
    await keys.press("Enter")
    await tab_to("search")
    await keys.press("Tab")
    await keys.press("Home")
    rows = ada.page.locator("#frames .frame")
    await expect(rows.first).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(rows.nth(1)).to_have_attribute("aria-expanded", "true")
    assert await ada.page.locator("#frames pre").count() >= 1
    await keys.press("Escape")
    await expect(rows.nth(1)).to_have_attribute("aria-expanded", "false")
    await expect(rows.nth(1)).to_be_focused()
    await keys.press("End")
    await expect(rows.last).to_be_focused()


async def test_whoever_reads_a_frame_is_not_thrown_out_when_it_becomes_too_old(visit, url):
    ada = await visit(url, "Ada")
    await ada.page.locator("#frames .frame").first.focus()
    await ada.page.evaluate("Promise.all(Array.from({ length: 200 }, (_, n) => rt.request('echo', n)))")
    await ada.frames("reply").last.wait_for()
    await asyncio.wait_for(
        ada.page.wait_for_function("() => document.querySelectorAll('#frames .frame').length === 300"), 20
    )
    assert await ada.page.evaluate("document.activeElement.className") == "frame"
