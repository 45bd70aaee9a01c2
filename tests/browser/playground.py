"""The demo page as a test uses it: by what a person sees and clicks."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Locator, Page, expect

#: A host that is not localhost, so that a page of it over plain HTTP is no secure context.
ELSEWHERE = "rtcore.test"
NAMES = {"websocket": "WebSocket", "sse": "SSE", "polling": "polling"}
SLOW = 20_000  # milliseconds
#: Whether exactly these are shown to be in the room; the page's own name is the first, and has a mark.
HERE = """names => {
  const shown = [...document.querySelectorAll('#people li')].map((li) => li.lastChild.textContent);
  const marked = shown.map((text, i) => (i ? text : text.replace(' (you)', '!')));
  return JSON.stringify(marked.sort()) === JSON.stringify(names);
}"""


class Playground:
    """One open demo page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # -- the connection ------------------------------------------------------------------------------------

    async def connected(self, transport: str | None = None) -> None:
        over = f"Connected over {NAMES[transport]}" if transport else "Connected over"
        await self.status(over)

    async def status(self, text: str) -> None:
        await expect(self.page.locator("#status")).to_contain_text(text, timeout=SLOW)

    async def switch(self, transport: str) -> None:
        await self.choose("transport", transport)
        await self.connected(transport)

    async def choose(self, group: str, value: str) -> None:
        """Choose in one of the rows of radio buttons."""
        await self.page.locator(f"label:has(input[name={group}][value='{value}'])").click()

    async def cut(self) -> None:
        """Press the button, and wait until the session has been resumed."""
        before = await self.count("resumed")
        await self.page.click("#cut")
        await self.counts("resumed", before + 1)

    async def count(self, name: str) -> int:
        """One of the counters."""
        return int((await self.page.locator(f"#{name}").inner_text()).replace(",", ""))

    async def counts(self, name: str, n: int) -> None:
        """Wait until a counter says so many, or more."""
        await self.page.wait_for_function(
            "([name, n]) => +document.getElementById(name).textContent.replace(',', '') >= n", arg=[name, n]
        )

    # -- the chat ------------------------------------------------------------------------------------------

    async def sees(self, you: str, *names: str) -> None:
        """Exactly these are shown to be in the room: the page's own name first, and the others as they came."""
        others = [name for name in names if name != you]
        await self.page.wait_for_function(HERE, arg=sorted([f"{you}!", *others]))

    async def become(self, *, name: str | None = None, room: str | None = None) -> None:
        await self.page.click("#change")
        if name is not None:
            await self.page.fill("#name", name)
        if room is not None:
            await self.page.fill("#room", room)
        await self.page.click("#join-button")

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def said(self, text: str) -> None:
        """The room has what was said here."""
        await self.page.locator("li.mine:not(.waiting)", has_text=text).wait_for()

    async def reads(self, text: str) -> None:
        await expect(self.page.locator("#log")).to_contain_text(text, timeout=SLOW)

    # -- numbered messages ---------------------------------------------------------------------------------

    async def burst(self, count: int = 100, cuts: int = 0) -> None:
        await self.choose("count", str(count))
        await self.choose("cuts", str(cuts))
        await self.page.click("#burst")

    async def counted_to(self, n: int) -> None:
        """So many numbered messages of the newest run have arrived."""
        await self.page.wait_for_function(
            "n => parseInt([...document.querySelectorAll('.run p:first-child span')].at(-1)?.textContent ?? '0') >= n",
            arg=n,
        )

    async def lost_nothing(self, of: int = 100) -> None:
        """Every numbered message has arrived, in order, once; and no counter says otherwise."""
        verdict = self.page.locator("#verdict")
        await expect(verdict).to_contain_text("Nothing lost", timeout=40_000)
        await expect(verdict).to_contain_text(f"{of} of {of}")
        await expect(self.page.locator("#lost")).to_have_text("0")

    async def confirmed(self) -> None:
        """Everything that was sent has been confirmed: an ack may be a second behind."""
        await expect(self.page.locator("#waiting")).to_have_text("0")
        assert await self.count("sent") == await self.count("confirmed")

    async def carried_by(self) -> str:
        """What carried the numbered messages: `"40 over WebSocket 60 over SSE"`."""
        return " ".join((await self.page.locator(".run .legend").inner_text()).split())

    # -- the wire ------------------------------------------------------------------------------------------

    def frames(self, text: str = "") -> Locator:
        """The rows of the wire that have this in them."""
        return self.page.locator("#frames .frame", has_text=text)

    async def info(self) -> dict[str, Any]:
        """What the client says of itself: the page has it in the console as `rt`."""
        info: dict[str, Any] = await self.page.evaluate("rt.getConnectionInfo()")
        return info
