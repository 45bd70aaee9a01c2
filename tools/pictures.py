"""docs/images anew: the demo page as people see it, in light, in dark and on a phone.

    make pictures

A real server, a real Chromium, three people, a tunnel, a hundred numbered messages. It takes two minutes, so that the
graph of round trips has something to show.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs/images"
BY_HAND = "label:has(input[name={}][value='{}'])"
# By script: on a phone it is in another part of the page than the chat.
PACE = "pace => { const at = document.getElementById('pace'); at.value = pace; at.dispatchEvent(new Event('change')); }"
ARRIVED = (
    "n => parseInt([...document.querySelectorAll('.run p:first-child span')].at(-1)?.textContent ?? '0') >= n"
)


async def person(
    browser: Browser, url: str, name: str, *, width: int, height: int, scheme: str, scale: float
) -> Page:
    context = await browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        device_scale_factor=scale,
        locale="en-GB",
    )
    await context.add_init_script(f"localStorage.setItem('rtcore:name', '{name}')")
    page = await context.new_page()
    await page.goto(f"{url}/#night-train")
    await page.wait_for_selector("#status[data-state=connected]")
    await page.locator("#people .name", has_text=f"{name} (you)").wait_for()
    return page


async def say(page: Page, text: str) -> None:
    await page.evaluate("text => { document.getElementById('text').value = text; }", text)
    await page.evaluate("document.getElementById('say').requestSubmit()")
    await asyncio.sleep(0.8)


async def play(browser: Browser, url: str) -> None:
    ada = await person(browser, url, "Ada", width=1440, height=880, scheme="light", scale=1)
    grace = await person(browser, url, "Grace", width=1440, height=880, scheme="dark", scale=1)
    radia = await person(browser, url, "Radia", width=360, height=740, scheme="light", scale=2)
    await asyncio.sleep(30)
    await say(grace, "The tunnel is next: four kilometres")
    for page in (ada, grace, radia):
        await page.evaluate(PACE, "slow")
    await asyncio.sleep(15)
    for page in (ada, grace, radia):
        await page.evaluate(PACE, "full")
    await asyncio.sleep(20)
    await say(ada, "Let us see who loses count first")
    await ada.click(BY_HAND.format("cuts", "5"))
    await ada.click("#burst")
    for n, transport in ((34, "sse"), (71, "polling")):
        await ada.wait_for_function(ARRIVED, arg=n)
        for page in (grace, radia):
            await page.evaluate(f"document.querySelector('[name=transport][value={transport}]').click()")
    for page in (ada, grace, radia):
        await page.wait_for_selector("#verdict[data-verdict=whole]", state="attached")
        await page.evaluate("document.querySelector('[name=transport][value=websocket]').click()")
    await asyncio.sleep(24)
    await say(radia, "All hundred here, on a phone")
    await say(grace, "And here")
    await asyncio.sleep(4)
    for page in (ada, grace):
        await page.locator("#frames .frame", has_text="playground:said").last.click()
    await asyncio.sleep(3)
    await picture(ada, "light")
    await picture(grace, "dark")
    await picture(radia, "phone")
    await radia.emulate_media(color_scheme="dark")
    await radia.click("#views [data-view=instruments]")
    await picture(radia, "phone-connection")


async def picture(page: Page, name: str) -> None:
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(path=str(IMAGES / f"playground-{name}.png"))


async def main(url: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        await play(browser, url)
        await browser.close()


def serve() -> None:
    settings = ("--set", "rate_limit_per_second=25", "--set", "drain_time=0.5")
    server = subprocess.Popen(
        [sys.executable, "-m", "rtcore", "serve", "--port", "0", *settings],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        ready = next(line for line in server.stdout if "ready at" in line)
        match = re.search(r"http://[\d.]+:\d+", ready)
        assert match, ready
        asyncio.run(main(match[0]))
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    serve()
