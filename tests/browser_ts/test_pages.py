"""What a page of the TypeScript client lives through: networks that break, servers that die, reloads, copies, sleep."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser_ts.server import Server
from tests.end_to_end.proxy import Proxy
from tests.end_to_end.stack import until

TRANSPORTS = ["websocket", "sse", "polling"]
INFO = "client.getConnectionInfo()"


async def got(page, numbers):
    """Wait until a page has got as many messages, and compare them."""
    await page.wait_for_function("n => got.length >= n", arg=len(numbers), timeout=40_000)
    assert await page.evaluate("got") == list(numbers)


async def members(page, room):
    return (await page.evaluate("room => client.joinRoom(room)", room))["members"]


# -- talking ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_two_pages_chat(visit, transport):
    only = {"connectionType": transport, "fallbackTypes": []}
    ada, grace = await visit(only), await visit(only)
    await members(ada, transport)
    assert await members(grace, transport) == 2
    assert await ada.evaluate("room => count(room, 0, 50)", transport) == 50
    await got(grace, range(50))
    await got(ada, range(50))
    assert await grace.evaluate("client.request('echo', { text: 'é' })") == {"text": "é"}


async def test_sse_streams_where_fetch_cannot(visit, context):
    await context.add_init_script("delete Response.prototype.body")
    page = await visit({"connectionType": "sse", "fallbackTypes": []})
    await members(page, "xhr")
    await page.evaluate("count('xhr', 0, 20)")
    await got(page, range(20))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_worker_is_a_client_too(visit, network: Proxy, transport):
    page = await visit()
    await page.evaluate(
        """transport => {
            const source = `import { RealtimeClient } from "${location.origin}/rtcore-client.js";
                const only = { connectionType: "${transport}", fallbackTypes: [], reconnectDelay: 50 };
                const client = new RealtimeClient({ url: "${location.origin}/rt", ...only });
                await client.connect();
                const { sessionId } = client.getConnectionInfo();
                onmessage = async ({ data }) => {
                    const echo = await client.request("echo", data);
                    postMessage([echo, client.getConnectionInfo().sessionId === sessionId]);
                };
                postMessage("ready");`;
            const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
            Object.assign(window, { answers: [], worker: new Worker(url, { type: "module" }) });
            worker.onmessage = ({ data }) => answers.push(data);
            worker.onerror = ({ message }) => answers.push(message);
        }""",
        transport,
    )
    await page.wait_for_function("answers.length === 1")
    network.cut()
    await page.evaluate("worker.postMessage('from a worker')")
    await page.wait_for_function("answers.length === 2")
    assert await page.evaluate("answers") == ["ready", ["from a worker", True]]


# -- the network -----------------------------------------------------------------------------------------------


async def test_a_thousand_messages_survive_twenty_cuts(visit, network: Proxy):
    ada, grace = await visit({}), await visit({})
    await members(ada, "cuts")
    await members(grace, "cuts")
    sending = asyncio.create_task(ada.evaluate("count('cuts', 0, 1000, 25)"))
    cuts = 0
    while cuts < 20:
        await asyncio.sleep(0.1)
        cuts += network.cut() > 0
    assert await sending == 1000
    for page in (ada, grace):
        await got(page, range(1000))
        assert await page.evaluate("gaps") == []
        assert (await page.evaluate(INFO))["counters"][
            "reconnects"
        ] >= 3  # a busy page is cut while it is away


async def test_websocket_blocked_then_sse_then_polling_and_back(visit, network: Proxy):
    network.blocked = {"/rt/ws"}
    page = await visit({"timing": {"climb": 200}})
    session = (await page.evaluate(INFO))["sessionId"]
    await members(page, "falls")
    assert await page.evaluate("went") == ["sse"]

    network.blocked = {"/rt/ws", "/rt/sse"}
    network.cut()
    await page.wait_for_function("went.at(-1) === 'polling'")
    assert await page.evaluate("count('falls', 0, 10)") == 10

    network.blocked = set()
    await page.wait_for_function("went.at(-1) === 'websocket'")
    assert await page.evaluate("count('falls', 10, 20)") == 10
    await got(page, range(20))
    assert (await page.evaluate(INFO))["sessionId"] == session


async def test_a_captive_network_is_left_within_seconds_and_remembered(visit, network: Proxy):
    network.hanging = {"/rt/ws"}
    page = await visit({"timing": {"open": 1000}})
    assert await page.evaluate("went") == ["sse"]
    await page.reload()
    await page.wait_for_function("window.ready")
    before = len(network.requests)
    await page.evaluate("start({})")
    assert await page.evaluate("went") == ["sse"]
    assert "GET /rt/ws" not in network.requests[before:]


async def test_offline_and_online_again(visit, context, network: Proxy):
    page = await visit(
        {"maxReconnectAttempts": 1, "timing": {"suspendedDelay": 60_000, "maxReconnectDelay": 50}}
    )
    await members(page, "offline")
    await context.set_offline(True)
    await network.down()
    await page.wait_for_function("states.includes('suspended')", timeout=30_000)
    sent = asyncio.create_task(page.evaluate("count('offline', 0, 20)"))
    await page.wait_for_function("client.getConnectionInfo().counters.queued === 20")

    # Only the browser's word brings it back before a minute has passed.
    await network.up()
    await context.set_offline(False)
    assert await sent == 20
    await got(page, range(20))
    assert (await page.evaluate(INFO))["resumed"]


class SlowProxy(Proxy):
    """Carries 40 kB a second, each piece 100 ms late."""

    async def _pass(self, pair, data, writer):
        await asyncio.sleep(0.1 + len(data) / 40_000)
        return await super()._pass(pair, data, writer)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_slow_network_is_no_dead_one(visit, server: Server, transport):
    async with SlowProxy(server.port) as slow:
        options = {
            "connectionType": transport,
            "fallbackTypes": [],
            "heartbeatInterval": 1000,
            "pingTimeout": 900,
        }
        page = await visit(options, through=slow)
        text = await page.evaluate("client.request('echo', 'x'.repeat(30_000))")
        assert len(text) == 30_000
        info = await page.evaluate(INFO)
        assert info["counters"]["attaches"] == 1
        assert info["quality"] != "excellent"


# -- code that is loaded when it is needed -----------------------------------------------------------------------


async def test_the_fallbacks_are_at_hand_when_the_network_is_bad(visit, context, network: Proxy):
    page = await visit(leaf="page?split")
    loading = [
        asyncio.create_task(page.wait_for_event("request", lambda request, part=part: part in request.url))
        for part in ("/sse.js", "/polling.js")
    ]
    await page.evaluate("start({})")
    for request in await asyncio.gather(*loading):
        await page.evaluate("url => import(url).then(() => {})", request.url)

    # From here on nothing can be loaded any more.
    await context.route("**/esm/*", lambda route: route.abort())
    session = (await page.evaluate(INFO))["sessionId"]
    for blocked, left in (("/rt/ws", "sse"), ("/rt/sse", "polling")):
        network.blocked.add(blocked)
        network.cut()
        await page.wait_for_function("type => went.at(-1) === type", arg=left)
        assert await page.evaluate("client.request('echo', 1)") == 1
    assert (await page.evaluate(INFO))["sessionId"] == session


async def test_a_fallback_that_cannot_be_loaded_does_not_keep_a_client_from_coming_back(
    visit, context, network: Proxy
):
    failed = []

    async def fail(route):
        failed.append(route.request.url)
        await route.abort()

    page = await visit(leaf="page?split")
    for name in ("sse", "polling"):
        await context.route(f"**/esm/{name}.js", fail)
    await page.evaluate("start({})")
    session = (await page.evaluate(INFO))["sessionId"]
    network.blocked = {"/rt/ws"}
    network.cut()
    before = len(network.requests)
    await until(lambda: network.requests[before:].count("GET /rt/ws") >= 3)
    network.blocked = set()
    await page.wait_for_function("client.isConnected")
    info = await page.evaluate(INFO)
    assert (info["sessionId"], info["connectionType"]) == (session, "websocket")
    assert len(failed) >= 2


# -- the server ------------------------------------------------------------------------------------------------


async def test_the_server_is_killed_and_restarted_in_the_middle_of_a_stream(visit):
    mortal = Server()
    await mortal.start()
    async with Proxy(mortal.port) as way:
        ada, grace = await visit({}, through=way), await visit({}, through=way)
        await members(ada, "mortal")
        await members(grace, "mortal")
        sending = asyncio.create_task(ada.evaluate("count('mortal', 0, 600, 80)"))
        await grace.wait_for_function("got.length > 100")
        await mortal.kill()
        await mortal.start()
        for page in (ada, grace):
            await page.wait_for_function(
                "client.isConnected && states.includes('reconnecting')", timeout=30_000
            )
        confirmed = await sending
        assert 100 < confirmed <= 600
        # In their rooms again, by themselves; nothing came twice or in another order.
        await grace.wait_for_function(
            "client.request('room:list').then(({ rooms }) => rooms[0]?.members === 2)"
        )
        await ada.evaluate("count('mortal', 600, 610)")
        await grace.wait_for_function("got.at(-1) === 609")
        numbers = await grace.evaluate("got")
        assert numbers == sorted(set(numbers))
        assert numbers[-10:] == list(range(600, 610))
    await mortal.kill()


# -- the page --------------------------------------------------------------------------------------------------


async def test_a_reload_resumes_the_session(visit):
    page = await visit({"resume": True})
    watcher = await visit({})
    await members(page, "reload")
    session = (await page.evaluate(INFO))["sessionId"]
    for _ in range(2):
        await page.reload()
        await page.wait_for_function("window.ready")
        info = await page.evaluate("start({ resume: true })")
        assert info["sessionId"] == session
        # A page that is loaded knows of no rooms: what it joins again it hears from there on.
        await members(page, "reload")
    assert await members(watcher, "reload") == 2
    await watcher.evaluate("count('reload', 0, 3)")
    await got(page, range(3))


async def test_a_duplicated_tab_does_not_steal_the_session(visit, context):
    page = await visit({"resume": True})
    await page.reload()
    await page.wait_for_function("window.ready")
    session = (await page.evaluate("start({ resume: true })"))["sessionId"]

    # A window that its opener's page opens gets a copy of its sessionStorage, as a duplicated tab does.
    async with context.expect_page() as opening:
        await page.evaluate("void open(location.href)")
    copy = await opening.value
    await copy.wait_for_function("window.ready")
    other = (await copy.evaluate("start({ resume: true })"))["sessionId"]
    assert other != session
    assert await page.evaluate("client.request('echo', 1)") == 1
    assert (await page.evaluate(INFO))["sessionId"] == session


async def test_a_copy_of_a_frozen_tab_does_not_steal_the_session(visit, context):
    page = await visit({"resume": True})
    session = (await page.evaluate(INFO))["sessionId"]
    # Chromium tells a page so before it freezes it; then nobody could open a window any more.
    await page.evaluate("void document.dispatchEvent(new Event('freeze'))")
    assert await page.evaluate("sessionStorage.length") == 1
    async with context.expect_page() as opening:
        await page.evaluate("void open(location.href)")
    copy = await opening.value
    await copy.wait_for_function("window.ready")
    assert await copy.evaluate("sessionStorage.length") == 1
    assert (await copy.evaluate("start({ resume: true })"))["sessionId"] != session
    await page.evaluate("void document.dispatchEvent(new Event('resume'))")
    assert await page.evaluate("client.request('echo', 1)") == 1
    info = await page.evaluate(INFO)
    assert (info["sessionId"], info["counters"]["attaches"]) == (session, 1)


async def test_a_page_comes_back_out_of_the_back_forward_cache_into_its_session(
    visit, context, network: Proxy
):
    page = await visit({"resume": True})
    await members(page, "back")
    session = (await page.evaluate(INFO))["sessionId"]
    await page.goto(f"http://127.0.0.1:{network.port}/page?elsewhere")
    other = await visit({})
    await members(other, "back")
    await other.evaluate("count('back', 0, 5)")
    await page.go_back(wait_until="commit")
    assert await page.evaluate("shown") == [True]
    await got(page, range(5))
    assert (await page.evaluate(INFO))["sessionId"] == session


async def test_the_next_page_takes_the_session_and_the_one_put_away_begins_anew(visit):
    page = await visit({"resume": True})
    session = (await page.evaluate(INFO))["sessionId"]
    await page.goto(page.url + "?elsewhere")
    await page.wait_for_function("window.ready")
    assert (await page.evaluate("start({ resume: true })"))["sessionId"] == session
    # This one takes it with it: it is closed, not put away.
    await page.evaluate("client.close()")
    await page.go_back(wait_until="commit")
    assert await page.evaluate("shown") == [True]
    await page.wait_for_function("client.isConnected")
    assert (await page.evaluate(INFO))["sessionId"] != session


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_page_that_goes_says_goodbye(visit, transport):
    page = await visit({"connectionType": transport, "fallbackTypes": []})
    watcher = await visit({})
    room = f"goodbye-{transport}"
    await members(page, room)
    assert await members(watcher, room) == 2
    await page.goto("about:blank")
    # Much sooner than the session would expire.
    await watcher.wait_for_function(
        "room => client.joinRoom(room).then(({ members }) => members === 1)", arg=room
    )


async def test_a_frozen_page_thaws_into_its_session(visit, context, network: Proxy):
    page = await visit({"timing": {"suspendedDelay": 60_000}})
    await members(page, "frozen")
    session = (await page.evaluate(INFO))["sessionId"]
    debugger = await context.new_cdp_session(page)
    await debugger.send("Page.setWebLifecycleState", {"state": "frozen"})
    network.cut()
    other = await visit({})
    await members(other, "frozen")
    await other.evaluate("count('frozen', 0, 5)")
    await debugger.send("Page.setWebLifecycleState", {"state": "active"})
    await got(page, range(5))
    assert (await page.evaluate(INFO))["sessionId"] == session


# -- who is here ---------------------------------------------------------------------------------------------------


async def watching(page, room, name):
    """Join a room under a name and write down who comes and goes."""
    await page.evaluate(
        """async ([room, name]) => {
          window.seen = [];
          client.subscribe("room:joined", ({ payload }) => seen.push(`+${payload.name}`));
          client.subscribe("room:left", () => seen.push("-"));
          await client.joinRoom(room, { name });
          await client.request("room:members", { room, watch: true });
        }""",
        [room, name],
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_tab_with_resume_that_is_closed_is_gone_after_a_grace(visit, transport):
    options = {"connectionType": transport, "fallbackTypes": [], "resume": True}
    staying, closing = await visit(options), await visit(options)
    room = f"closed-{transport}"
    await watching(staying, room, "Ada")
    await watching(closing, room, "Grace")
    await staying.wait_for_function("seen.length === 1")
    began = asyncio.get_running_loop().time()
    await closing.close(run_before_unload=True)
    # Much sooner than the session ends (120 s), and not so soon that a reload would be seen.
    await staying.wait_for_function("seen.length === 2", timeout=40_000)
    assert await staying.evaluate("seen") == ["+Grace", "-"]
    assert asyncio.get_running_loop().time() - began >= 4.0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_tab_with_resume_that_is_reloaded_was_never_gone(visit, transport):
    options = {"connectionType": transport, "fallbackTypes": [], "resume": True}
    staying, loading = await visit(options), await visit(options)
    room = f"reloaded-{transport}"
    await watching(staying, room, "Ada")
    await watching(loading, room, "Grace")
    await staying.wait_for_function("seen.length === 1")
    await loading.reload()
    await loading.wait_for_function("window.ready")
    await loading.evaluate("options => start(options)", options)
    # One whose grace begins later is gone first, if the reload's has not been taken back.
    last = await visit(options)
    await watching(last, room, "Alan")
    await last.close(run_before_unload=True)
    await staying.wait_for_function("seen.length === 3", timeout=40_000)
    assert await staying.evaluate("seen") == ["+Grace", "+Alan", "-"]
    who = await staying.evaluate("room => client.request('room:members', { room })", room)
    assert [one["name"] for one in who["who"]] == ["Ada", "Grace"]
