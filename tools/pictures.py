"""docs/images anew: the demo page as people see it, in light, in dark and on a phone.

    make pictures

A real server, a real Chromium, three people, a hundred numbered messages over three transports. It takes a minute, so
that the graph of round trips has something to show.
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
BY_HAND = "#transports label:has(input[value={}])"
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
    await page.wait_for_selector("#session:not(:empty)")
    return page


async def say(page: Page, text: str) -> None:
    await page.fill("#text", text)
    await page.press("#text", "Enter")
    await asyncio.sleep(0.6)


async def play(url: str) -> None:
    async with async_playwright() as playwright:
        chromium = shutil.which("chromium")
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        ada = await person(browser, url, "Ada", width=1200, height=780, scheme="light", scale=1)
        grace = await person(browser, url, "Grace", width=1200, height=780, scheme="dark", scale=1)
        radia = await person(browser, url, "Radia", width=390, height=844, scheme="light", scale=2)
        await asyncio.sleep(40)
        await say(grace, "We are about to go into the tunnel")
        await say(ada, "Then let us see who loses count first")
        await ada.click("#burst")
        for n, transport in ((34, "sse"), (71, "polling")):
            await ada.wait_for_function(ARRIVED, arg=n)
            for page in (ada, grace, radia):
                await page.click(BY_HAND.format(transport))
        for page in (ada, grace, radia):
            await page.wait_for_selector("#verdict[data-verdict=whole]")
            await page.click(BY_HAND.format("websocket"))
        await say(radia, "All hundred here, on a phone")
        await say(grace, "And here")
        await asyncio.sleep(6)
        await ada.focus("body")
        for name, page in (("light", ada), ("dark", grace), ("phone", radia)):
            await page.evaluate("document.activeElement.blur()")
            await page.screenshot(path=str(IMAGES / f"playground-{name}.png"))
        await browser.close()


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "rtcore", "serve", "--port", "0", "--set", "rate_limit_per_second=100"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        ready = next(line for line in server.stdout if "ready at" in line)
        match = re.search(r"http://[\d.]+:\d+", ready)
        assert match, ready
        asyncio.run(play(match[0]))
    finally:
        server.terminate()
        server.wait(10)


if __name__ == "__main__":
    main()
