"""Tabs that share one connection, in a real Chromium: each page here is a tab of one browser."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.end_to_end.proxy import Proxy
from tests.end_to_end.stack import until

TRANSPORTS = ["websocket", "sse", "polling"]
INFO = "client.getConnectionInfo()"
#: As many as a browser has connections to one host over HTTP/1.1, and two more.
EIGHT = 8


async def info(page):
    return await page.evaluate(INFO)


async def roles(pages):
    return [(await info(page))["shared"] for page in pages]


async def leader(pages):
    """Return the page that leads, once there is one, and the others."""
    while True:
        found = await roles(pages)
        if found.count("leader") == 1:
            first = pages[found.index("leader")]
            return first, [page for page in pages if page is not first]
        await asyncio.sleep(0.01)


async def got(page, numbers):
    await page.wait_for_function("n => got.length >= n", arg=len(numbers), timeout=40_000)
    assert await page.evaluate("got") == list(numbers)


async def joined(pages, room):
    await asyncio.gather(*(page.evaluate("room => client.joinRoom(room)", room) for page in pages))


@pytest.fixture
def tab(visit):
    """Open a tab; with options, start its client."""

    async def opened(options=None, **more):
        return await visit({} if options is None else options, leaf="page?tabs", **more)

    return opened


async def tabs(tab, count, options=None):
    return await asyncio.gather(*(tab(options) for _ in range(count)))


async def crash(page, context):
    """Kill the process of a page."""
    debugger = await context.new_cdp_session(page)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(debugger.send("Page.crash"), 2)


class Stopped:
    """A page that does not run any more, and is not told: an alert, a breakpoint, a browser that was put away."""

    def __init__(self, page, context):
        self._page, self._context = page, context

    async def __aenter__(self):
        self._debugger = await self._context.new_cdp_session(self._page)
        paused = asyncio.Event()
        self._debugger.on("Debugger.paused", lambda _: paused.set())
        await self._debugger.send("Debugger.enable")
        await self._debugger.send("Debugger.pause")
        # It stops with the next thing that it does.
        doing = asyncio.create_task(self._debugger.send("Runtime.evaluate", {"expression": "0"}))
        await asyncio.wait_for(paused.wait(), 10)
        self._doing = doing
        return self

    async def __aexit__(self, *_):
        await self._debugger.send("Debugger.resume")
        await self._doing
        await self._debugger.send("Debugger.disable")


# -- eight tabs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_eight_tabs_share_one_connection(tab, visit, network: Proxy, transport):
    pages = await tabs(tab, EIGHT, {"connectionType": transport, "fallbackTypes": []})
    assert sorted(await roles(pages)) == ["follower"] * (EIGHT - 1) + ["leader"]
    assert len({(await info(page))["sessionId"] for page in pages}) == 1
    opened = {"websocket": "GET /rt/ws", "sse": "POST /rt/sse", "polling": "POST /rt/poll"}[transport]
    if transport != "polling":
        assert network.requests.count(opened) == 1

    room = f"eight-{transport}"
    await joined(pages, room)
    watcher = await visit({})
    # A room is joined once for the browser.
    assert (await watcher.evaluate("room => client.joinRoom(room)", room))["members"] == 2
    # All hear what one says, and each is answered by itself.
    assert await pages[-1].evaluate("room => count(room, 0, 50)", room) == 50
    await asyncio.gather(*(got(page, range(50)) for page in [*pages, watcher]))
    answers = await asyncio.gather(
        *(page.evaluate("n => client.request('echo', n)", n) for n, page in enumerate(pages))
    )
    assert answers == list(range(EIGHT))
    for page in pages:
        assert await page.evaluate("[gaps.length, errors.length]") == [0, 0]


async def test_eight_tabs_without_a_shared_connection_are_too_many(visit):
    """What this is for: over SSE the sixth tab of a browser takes the last connection, and nothing goes up any more."""
    options = {"connectionType": "sse", "fallbackTypes": [], "timing": {"open": 60_000}}
    six = await asyncio.gather(*(visit(options) for _ in range(6)))
    answer = "client.request('echo', 1, { timeout: 1500 }).then(() => 'answered', (error) => error.code)"
    assert await six[0].evaluate(answer) == "timeout"


# -- the leader goes -------------------------------------------------------------------------------------------


async def closed(page, context):
    await page.evaluate("client.close()")


async def gone(page, context):
    await page.close()


async def elsewhere(page, context):
    await page.goto("about:blank")


async def reloaded(page, context):
    await page.reload()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("end", [closed, gone, elsewhere, reloaded, crash])
async def test_when_the_leader_goes_another_tab_takes_over_with_nothing_lost_and_nothing_twice(
    tab, visit, context, transport, end
):
    pages = await tabs(tab, 4, {"connectionType": transport, "fallbackTypes": []})
    watcher = await visit({})
    room = f"goes-{transport}-{end.__name__}"
    await joined([*pages, watcher], room)
    first, others = await leader(pages)
    session = (await info(first))["sessionId"]
    sender, *_ = others
    # Both ways, all the time: from a tab to the world, and from the world to all tabs.
    ours = asyncio.create_task(sender.evaluate("room => count(room, 0, 400, 5)", room))
    theirs = asyncio.create_task(watcher.evaluate("room => count(room, 1000, 1400, 5)", room))
    asked = asyncio.create_task(
        others[1].evaluate(
            "Promise.all(Array.from({ length: 40 }, (_, n) => new Promise((done) => setTimeout(done, n * 10))"
            ".then(() => client.request('echo', n)))).then((answers) => answers.every((one, n) => one === n))"
        )
    )
    await sender.wait_for_function("got.length > 100")
    await end(first, context)
    assert await ours == 400
    assert await theirs == 400
    assert await asked
    for page in [*others, watcher]:
        await page.wait_for_function("got.length >= 800", timeout=40_000)
        heard = await page.evaluate("got")
        assert sorted(heard) == [*range(400), *range(1000, 1400)]
        assert [n for n in heard if n < 1000] == list(range(400))
        assert [n for n in heard if n >= 1000] == list(range(1000, 1400))
    # All tabs in one order: it is one session.
    assert len({tuple(await page.evaluate("got")) for page in others}) == 1
    second, _ = await leader(others)
    assert (await info(second))["sessionId"] == session
    for page in others:
        assert await page.evaluate("[gaps.length, errors.length]") == [0, 0]
        # Nobody was told of a loss: there was none.
        assert await page.evaluate("states") == ["connecting", "connected"]


async def test_leaders_go_one_after_the_other(tab, visit, context):
    pages = await tabs(tab, 6)
    watcher = await visit({})
    await joined([*pages, watcher], "one-by-one")
    theirs = asyncio.create_task(watcher.evaluate("count('one-by-one', 0, 4000, 30)"))
    left = pages
    for end in (crash, gone, crash, closed):
        first, left = await leader(left)
        seen = await left[0].evaluate("got.length")
        await left[0].wait_for_function("n => got.length > n + 50", arg=seen)
        await end(first, context)
    assert await theirs == 4000
    for page in left:
        await got(page, range(4000))
        assert await page.evaluate("[gaps.length, errors.length]") == [0, 0]


async def test_a_leader_that_stops_without_a_word_is_replaced_and_looks_before_it_writes(tab, visit, context):
    pages = await tabs(tab, 3)
    watcher = await visit({})
    await joined([*pages, watcher], "stops")
    first, others = await leader(pages)
    session = (await info(first))["sessionId"]
    async with Stopped(first, context):
        # Whoever wants something finds out.
        assert await others[0].evaluate("client.request('echo', 1, { timeout: 30000 })") == 1
        assert sorted(await roles(others)) == ["follower", "leader"]
        assert await watcher.evaluate("count('stops', 0, 50)") == 50
        for page in others:
            await got(page, range(50))
        sending = None
    sending = first.evaluate("count('stops', 50, 60)")
    assert await sending == 10
    for page in [*pages, watcher]:
        await got(page, range(60))
        assert await page.evaluate("[gaps.length, errors.length]") == [0, 0]
    assert (await info(first))["shared"] == "follower"
    assert {(await info(page))["sessionId"] for page in pages} == {session}


@pytest.mark.parametrize("leads", [True, False])
async def test_a_tab_that_is_frozen_and_thaws(tab, visit, context, leads):
    pages = await tabs(tab, 3)
    watcher = await visit({})
    room = f"frozen-{leads}"
    await joined([*pages, watcher], room)
    first, others = await leader(pages)
    page, *rest = [first, *others] if leads else [others[0], first, others[1]]
    # Chromium tells a page so, and then it does not run any more.
    await page.evaluate("void document.dispatchEvent(new Event('freeze'))")
    async with Stopped(page, context):
        assert await watcher.evaluate("room => count(room, 0, 100)", room) == 100
        for other in rest:
            await got(other, range(100))
    await page.evaluate("void document.dispatchEvent(new Event('resume'))")
    await got(page, range(100))
    assert await page.evaluate("client.request('echo', 1)") == 1
    assert await page.evaluate("[gaps.length, errors.length]") == [0, 0]


@pytest.mark.parametrize("leads", [True, False])
async def test_a_tab_comes_back_out_of_the_back_forward_cache(tab, visit, network: Proxy, leads):
    pages = await tabs(tab, 3)
    watcher = await visit({})
    room = f"cache-{leads}"
    await joined([*pages, watcher], room)
    first, others = await leader(pages)
    page, *rest = [first, *others] if leads else [others[0], first, others[1]]
    await page.goto(f"http://127.0.0.1:{network.port}/page?elsewhere")
    assert await watcher.evaluate("room => count(room, 0, 100)", room) == 100
    for other in rest:
        await got(other, range(100))
    await page.go_back(wait_until="commit")
    assert await page.evaluate("shown") == [True]
    await got(page, range(100))
    assert await page.evaluate("client.request('echo', 1)") == 1
    assert await page.evaluate("gaps.length") == 0
    assert sorted(await roles(pages)) == ["follower", "follower", "leader"]


async def test_alone_in_the_back_forward_cache_a_tab_keeps_its_session(tab, visit, network: Proxy):
    page = await tab({})
    watcher = await visit({})
    await joined([page, watcher], "alone")
    session = (await info(page))["sessionId"]
    await page.goto(f"http://127.0.0.1:{network.port}/page?elsewhere")
    assert await watcher.evaluate("count('alone', 0, 20)") == 20
    await page.go_back(wait_until="commit")
    await got(page, range(20))
    assert (await info(page))["sessionId"] == session


# -- tabs come and go ------------------------------------------------------------------------------------------


async def test_a_tab_that_comes_late_is_given_the_history_that_it_asks_for(tab):
    first = await tab({})
    await joined([first], "past:late")
    assert await first.evaluate("count('past:late', 0, 60)") == 60
    late = await tab({})
    talking = asyncio.create_task(first.evaluate("count('past:late', 60, 300, 5)"))
    answer = await late.evaluate("client.joinRoom('past:late', { history: 20 })")
    assert await talking == 240
    await late.wait_for_function("got.at(-1) === 299", timeout=40_000)
    heard = await late.evaluate("got")
    # The twenty before it came in, what came since, each once and in its order.
    assert heard == list(range(answer["offset"] - 20, 300))
    # And the one that was there hears nothing again.
    await got(first, range(300))
    last = await tab({})
    await last.evaluate("client.joinRoom('past:late')")
    assert await first.evaluate("count('past:late', 300, 305)") == 5
    await got(last, range(300, 305))


async def test_a_room_is_left_with_the_last_tab(tab, visit, context):
    pages = await tabs(tab, 4)
    watcher = await visit({})
    await joined([*pages[:3], watcher], "leaving")

    async def members():
        return (await watcher.evaluate("client.joinRoom('leaving')"))["members"]

    assert await members() == 2
    assert await pages[0].evaluate("client.leaveRoom('leaving')") is True
    assert await members() == 2
    await watcher.evaluate("count('leaving', 0, 10)")
    await got(pages[1], range(10))
    assert await pages[0].evaluate("got") == await pages[3].evaluate("got") == []
    await pages[1].close()
    await crash(pages[2], context)
    # Nobody said so, but the browser: its locks are free.
    await watcher.wait_for_function("client.joinRoom('leaving').then(({ members }) => members === 1)")
    assert (await info(pages[3]))["state"] == "connected"


async def test_a_tab_that_is_closed_leaves_the_others_alone(tab):
    pages = await tabs(tab, 3)
    first, others = await leader(pages)
    await others[0].evaluate("client.close()")
    assert await first.evaluate("client.request('echo', 1)") == 1
    await first.evaluate("client.close()")
    assert await others[1].evaluate("client.request('echo', 2)") == 2
    assert await others[1].evaluate("states") == ["connecting", "connected"]
    # And may come back, into the same session.
    session = (await info(others[1]))["sessionId"]
    await first.evaluate("client.connect()")
    assert (await info(first))["sessionId"] == session


@pytest.mark.parametrize("resume", [True, False])
async def test_a_tab_that_reloads(tab, visit, resume):
    options = {"resume": resume}
    pages = await tabs(tab, 3, options)
    watcher = await visit({})
    room = f"past:reload-{resume}"
    await joined([*pages, watcher], room)
    session = (await info(pages[0]))["sessionId"]
    assert await watcher.evaluate("room => count(room, 0, 30)", room) == 30
    for page in pages:
        await got(page, range(30))
    for page in pages:
        await page.reload()
        await page.wait_for_function("window.ready")
        await page.evaluate("options => start(options)", options)
        assert (await info(page))["sessionId"] == session
        await page.evaluate("room => client.joinRoom(room, { history: 10 })", room)
        await got(page, range(20, 30))


async def test_alone_a_tab_that_reloads_resumes_its_session(tab):
    page = await tab({"resume": True})
    session = (await info(page))["sessionId"]
    await page.reload()
    await page.wait_for_function("window.ready")
    assert (await page.evaluate("start({ resume: true })"))["sessionId"] == session


async def test_the_last_tab_says_goodbye(tab, visit):
    pages = await tabs(tab, 2)
    watcher = await visit({})
    await joined([*pages, watcher], "goodbye")
    for page in pages:
        await page.goto("about:blank")
    # Much sooner than the session would expire.
    await watcher.wait_for_function("client.joinRoom('goodbye').then(({ members }) => members === 1)")


# -- the connection --------------------------------------------------------------------------------------------


async def test_all_tabs_are_told_how_the_connection_is(tab, network: Proxy):
    pages = await tabs(tab, 4)
    network.cut()
    for page in pages:
        await page.wait_for_function("states.length === 4")
        assert await page.evaluate("states") == ["connecting", "connected", "reconnecting", "connected"]
        assert (await info(page))["resumed"]
    # One is asked for another transport, and all are there.
    await pages[1].evaluate("client.switchTransport('sse')")
    for page in pages:
        await page.wait_for_function("went.at(-1) === 'sse'")
        assert (await info(page))["connectionType"] == "sse"
    facts = [await info(page) for page in pages]
    assert len({(one["quality"], one["node"], one["codec"]) for one in facts}) == 1


async def test_tabs_fall_back_and_climb_together(tab, network: Proxy):
    network.blocked = {"/rt/ws"}
    pages = await tabs(tab, 3, {"timing": {"climb": 200}})
    assert [await page.evaluate("went") for page in pages] == [["sse"]] * 3
    network.blocked = set()
    for page in pages:
        await page.wait_for_function("went.at(-1) === 'websocket'")
    assert network.open <= 6


async def test_the_network_goes_and_comes_back_while_tabs_send(tab, visit, network: Proxy):
    pages = await tabs(tab, 3)
    await joined(pages, "cut")
    sending = [
        asyncio.create_task(page.evaluate("n => count('cut', n, n + 200, 10)", n * 1000))
        for n, page in enumerate(pages)
    ]
    for _ in range(6):
        await asyncio.sleep(0.1)
        network.cut()
    assert [await one for one in sending] == [200, 200, 200]
    for page in pages:
        await page.wait_for_function("got.length >= 600", timeout=40_000)
        heard = await page.evaluate("got")
        for n in range(3):
            assert [one for one in heard if one // 1000 == n] == list(range(n * 1000, n * 1000 + 200))


# -- who shares with whom --------------------------------------------------------------------------------------


async def test_tabs_of_another_key_have_a_connection_of_their_own(tab, network: Proxy):
    ann = await tabs(tab, 2, {"key": "ann"})
    bob = await tabs(tab, 2, {"key": "bob"})
    sessions = [{(await info(page))["sessionId"] for page in pages} for pages in (ann, bob)]
    assert [len(one) for one in sessions] == [1, 1]
    assert sessions[0] != sessions[1]
    assert network.requests.count("GET /rt/ws") == 2


async def test_a_logout_ends_the_session_of_all_tabs(tab, visit):
    pages = await tabs(tab, 3)
    watcher = await visit({})
    await joined([*pages, watcher], "logout")
    await pages[1].evaluate("sharing.end()")
    for page in pages:
        await page.wait_for_function("states.at(-1) === 'stopped'")
        assert [one.split(":")[0] for one in await page.evaluate("errors")] == ["bye"]
    await watcher.wait_for_function("client.joinRoom('logout').then(({ members }) => members === 1)")


@pytest.mark.parametrize("missing", ["navigator.locks", "BroadcastChannel"])
async def test_a_browser_that_cannot_share_has_a_connection_for_each_tab_and_says_so(
    tab, context, network: Proxy, missing
):
    owner, _, name = missing.rpartition(".")
    await context.add_init_script(
        f"Object.defineProperty({owner or 'globalThis'}, '{name}', {{ value: undefined, configurable: true }})"
    )
    pages = await tabs(tab, 2)
    for page in pages:
        assert [one.split(":")[0] for one in await page.evaluate("errors")] == ["not_shared"]
        assert (await info(page)).get("shared") is None
        assert await page.evaluate("client.request('echo', 1)") == 1
    assert len({(await info(page))["sessionId"] for page in pages}) == 2
    await until(lambda: network.requests.count("GET /rt/ws") == 2)
