"""A plain `EventSource`, with no library at all: what a page writes in three lines."""

from __future__ import annotations

LISTEN = """query => {
  window.heard = [];
  window.joins = [];
  window.source = new EventSource("/rt/events/news" + query);
  source.onmessage = ({ data }) => heard.push(JSON.parse(data).payload.n);
  source.addEventListener("joined", ({ data }) => joins.push(JSON.parse(data)));
}"""
SAY = "numbers => Promise.all(numbers.map(n => rt.sendToRoom('news', 'lab:news', { n }, { confirm: true })))"


async def test_an_eventsource_has_each_message_of_a_room_once_though_it_was_dropped(visit, lab):
    ada = await visit(lab, "Ada", excused="503")
    page = ada.page
    await page.evaluate("rt.joinRoom('news')")
    await page.evaluate(SAY, [0])
    await page.evaluate(LISTEN, "?history=1")
    await page.wait_for_function("() => joins.length === 1 && heard.length === 1")
    await page.evaluate(SAY, [1])
    await page.wait_for_function("() => heard.length === 2")
    await page.evaluate("rt.request('lab:drop')")
    await ada.counts("resumed", 1)
    # It is away for as long as the server has advised: what is said meanwhile is in the history.
    await page.evaluate(SAY, [2, 3])
    await page.wait_for_function("() => joins.length === 2 && heard.length === 4")
    await page.evaluate(SAY, [4])
    await page.wait_for_function("() => heard.length === 5")
    assert await page.evaluate("heard") == [0, 1, 2, 3, 4]
    assert await page.evaluate("source.readyState") == 1
