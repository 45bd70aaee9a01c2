"""The demo page as a test uses it: by what a person sees and clicks."""

from __future__ import annotations

from playwright.async_api import Page, expect

#: A host that is not localhost, so that a page of it over plain HTTP is no secure context.
ELSEWHERE = "rtcore.test"
NAMES = {"websocket": "WebSocket", "sse": "SSE", "polling": "polling"}


class Playground:
    """One open demo page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def connected(self, transport: str | None = None) -> None:
        over = f"Connected over {NAMES[transport]}" if transport else "Connected over"
        await expect(self.page.locator("#status")).to_contain_text(over, timeout=20_000)

    async def joined(self, name: str) -> None:
        """Somebody else has come into the room."""
        await expect(self.page.locator("#log")).to_contain_text(f"{name} joined")

    async def switch(self, transport: str) -> None:
        await self.page.locator(f"#transports label:has(input[value={transport}])").click()
        await self.connected(transport)

    async def say(self, text: str) -> None:
        await self.page.fill("#text", text)
        await self.page.press("#text", "Enter")

    async def reads(self, text: str) -> None:
        await expect(self.page.locator("#log")).to_contain_text(text)

    async def burst(self) -> None:
        await self.page.click("#burst")

    async def counted_to(self, n: int) -> None:
        """So many numbered messages of the newest run have arrived."""
        await self.page.wait_for_function(
            "n => parseInt(document.querySelector('.run:last-of-type p span')?.textContent ?? '0') >= n",
            arg=n,
        )

    async def lost_nothing(self) -> None:
        """Every numbered message has arrived, in order, once; and no counter says otherwise."""
        verdict = self.page.locator("#verdict")
        await expect(verdict).to_contain_text("Nothing lost", timeout=30_000)
        await expect(verdict).to_contain_text("100 of 100")
        await expect(self.page.locator("#lost")).to_have_text("0")

    async def cut(self) -> None:
        """Press the button, and wait until the session has been resumed."""
        before = await self.resumed()
        await self.page.click("#cut")
        await self.resumed_beyond(before)

    async def resumed(self) -> int:
        return int(await self.page.locator("#resumed").inner_text())

    async def resumed_beyond(self, n: int) -> None:
        await self.page.wait_for_function("n => +document.getElementById('resumed').textContent > n", arg=n)

    async def carried_by(self) -> str:
        """What carried the numbered messages: `"40 over WebSocket 60 over SSE"`."""
        return " ".join((await self.page.locator(".run .legend").inner_text()).split())
