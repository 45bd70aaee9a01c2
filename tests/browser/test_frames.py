"""The page's own reading of frames, in the browser's JavaScript, against the vectors that every implementation runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser

VECTORS = resources.files("rtcore.testing") / "vectors"

READ = """async (frames) => {
  const { read } = await import("/playground/frames.js");
  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
  return Promise.all(frames.map(({ text, hex }) => read(text ?? bytes(hex))));
}"""


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def read(browser: Browser, url: str) -> AsyncIterator[Callable[..., Awaitable[Any]]]:
    """The module's `read`, for several frames: `{"text": …}` or `{"hex": …}`."""
    page = await browser.new_page()
    await page.goto(f"{url}/playground/icon.svg")

    async def read_all(*frames: dict[str, str]) -> Any:
        return await page.evaluate(READ, frames)

    yield read_all
    await page.close()


def vectors(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return found


async def test_the_page_reads_frames_as_the_wire_says(read):
    items = {one["name"]: one for one in vectors("items.json")}
    frames = [one for one in vectors("frames.json") if "json" in one]
    assert len(frames) >= 5
    found = await read(*({"text": frame["json"]} for frame in frames))
    for frame, one in zip(frames, found, strict=True):
        assert one["readable"], frame["name"]
        assert one["bytes"] == len(frame["json"].encode())
        kinds = ["message" if "message" in items[name] else "control" for name in frame["items"]]
        assert [item["kind"] for item in one["items"]] == kinds, frame["name"]


async def test_the_page_undoes_the_compression_that_its_client_offers(read):
    packed = [one for one in vectors("compressed.json") if one["compressor"] == "deflate"]
    whole = [one for one in packed if "json" in one]
    broken = [one for one in packed if one.get("becomes") == "malformed_frame"]
    assert whole
    assert broken
    for vector, one in zip(whole, await read(*({"hex": one["hex"]} for one in whole)), strict=True):
        assert one["packed"]
        lines = [line for line in vector["json"].split("\n") if line.strip()]
        assert len(one["items"]) == len(lines), vector["name"]
    for vector, one in zip(broken, await read(*({"hex": one["hex"]} for one in broken)), strict=True):
        assert not one["items"], vector["name"]


async def test_secrets_are_masked_at_any_depth_and_nothing_else_is(read):
    fields = {"secret": "s1", "token": "s2", "deep": [{"Password": "s3", "text": "kept"}], "session": "n1.x"}
    (one,) = await read({"text": json.dumps(["hello", fields])})
    assert one["items"][0]["fields"] == {
        "secret": "•••",
        "token": "•••",
        "deep": [{"Password": "•••", "text": "kept"}],
        "session": "n1.x",
    }
