"""A plain `EventSource`, with no library at all: what a page writes in three lines."""

from __future__ import annotations

LISTEN = """() => {
  window.heard = [];
  window.welcomes = [];
  const source = new EventSource("/rt/sse");
  source.onmessage = ({ data }) => {
    for (const line of data.split("\\n")) {
      const item = JSON.parse(line);
      if (Array.isArray(item)) item[0] === "welcome" && welcomes.push(item[1]);
      else if (item.type === "lab:news") heard.push(item.payload.n);
    }
  };
}"""


async def test_an_eventsource_hears_broadcasts_and_resumes_after_it_was_dropped(visit, lab):
    ada = await visit(lab, "Ada", excused="503")
    page = ada.page
    await page.evaluate(LISTEN)
    await page.wait_for_function("() => welcomes.length === 1")
    await page.evaluate("rt.request('lab:broadcast', { n: 1 })")
    await page.wait_for_function("() => heard.length === 1")
    await page.evaluate("rt.request('lab:drop')")
    await ada.counts("resumed", 1)
    # It is away for as long as the server has advised: what is said meanwhile waits for it.
    await page.evaluate("Promise.all([2, 3].map(n => rt.request('lab:broadcast', { n })))")
    await page.wait_for_function("() => welcomes.length === 2 && heard.includes(3)")
    first, second = await page.evaluate("welcomes")
    assert second["resumed"] is True
    assert second["session"] == first["session"]
    # It cannot count, so it is promised everything at least once; in order it is anyway.
    assert sorted(set(await page.evaluate("heard"))) == [1, 2, 3]
