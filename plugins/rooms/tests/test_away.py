"""A page that was closed and may be back: the others see it go after its grace, and come again."""

from __future__ import annotations

from rtcore.wire.message import Message


async def ask(client, type_, **payload):
    return (await client.request(type_, payload)).payload


async def join(h, name, **more):
    client = await h.client()
    await ask(client, "room:join", room="r", name=name, **more)
    return client


async def goes(client):
    """Its page is closed."""
    await client.say("away", within=0.01)
    await client.cut()


async def told(client):
    message = await client.receive()
    return message.type, message.payload


async def test_it_is_gone_to_those_who_watch_and_back_when_it_resumes(house):
    async with house() as h:
        ada, grace = await join(h, "Ada"), await join(h, "Grace")
        her = grace.welcome.session
        await ask(ada, "room:members", room="r", watch=True)
        await goes(grace)
        assert await told(ada) == ("room:left", {"member": her, "members": 1})
        seen = await ask(ada, "room:members", room="r")
        assert (seen["members"], [one["name"] for one in seen["who"]]) == (1, ["Ada"])
        h.app.manager.send_to_room("r", Message("said", 1))
        assert (await ada.receive()).type == "said"

        await grace.attach(h._transport.connect())
        assert grace.welcome.resumed
        assert await told(ada) == ("room:joined", {"member": her, "name": "Grace", "members": 2})
        assert (await grace.receive()).payload == 1, "it is a member all the time"


async def test_back_in_time_it_was_never_gone(house):
    async with house() as h:
        ada, grace = await join(h, "Ada"), await join(h, "Grace")
        await ask(ada, "room:members", room="r", watch=True)
        await grace.say("away", within=60)
        await grace.cut()
        await grace.attach(h._transport.connect())
        await grace.request("room:list", {})
        h.app.manager.send_to_room("r", Message("marker"))
        assert (await ada.receive()).type == "marker"


async def test_what_it_watches_it_watches_still(house):
    async with house() as h:
        ada, grace = await join(h, "Ada"), await join(h, "Grace")
        await ask(ada, "room:members", room="r", watch=True)
        await ask(grace, "room:members", room="r", watch=True)
        await goes(grace)
        assert (await told(ada))[0] == "room:left"
        await join(h, "Alan")
        await told(ada)
        await grace.attach(h._transport.connect())
        assert (await told(grace))[1]["name"] == "Alan"


async def test_it_is_counted_nowhere_while_it_is_gone(house):
    async with house({"*": {"listed": True}}) as h:
        ada, grace = await join(h, "Ada"), await join(h, "Grace")
        await ask(ada, "room:members", room="r", watch=True)
        await goes(grace)
        await told(ada)
        assert (await ask(ada, "room:list"))["rooms"] == [{"room": "r", "members": 1, "joined": True}]
        assert (await ask(ada, "room:join", room="r"))["members"] == 1


async def test_one_of_two_tabs_of_a_person_is_no_leaving(house):
    async with house() as h:
        ada, grace, again = [await join(h, name) for name in ("Ada", "Grace", "Grace")]
        h.session(again).sender = h.session(grace).sender
        h.rooms._rooms["r"].presence.name(h.session(again), "Grace")
        await ask(ada, "room:members", room="r", watch=True)
        await goes(grace)
        await goes(again)
        assert (await told(ada))[0] == "room:left", "the second one is"
        h.app.manager.send_to_room("r", Message("marker"))
        assert (await ada.receive()).type == "marker"


async def test_a_session_that_ends_while_it_is_gone_leaves_nothing_behind(house):
    async with house() as h:
        ada, grace = await join(h, "Ada"), await join(h, "Grace")
        await ask(ada, "room:members", room="r", watch=True)
        session = h.session(grace)
        await goes(grace)
        await told(ada)
        h.app.manager.disconnect(session.id)
        h.app.manager.send_to_room("r", Message("marker"))
        assert (await ada.receive()).type == "marker"
        here = h.rooms._rooms["r"]
        assert (here.present, len(here.audience), here.away) == (1, 1, set())


async def test_a_crowd_that_goes_is_a_room_with_names_again(house):
    async with house({"r": {"presence": 3}}) as h:
        ada, *others = [await join(h, f"n{n}") for n in range(5)]
        seen = await ask(ada, "room:members", room="r", watch=True)
        assert "who" not in seen
        for one in others[:3]:
            await goes(one)
        assert await told(ada) == ("room:crowded", {"crowded": False, "members": 2})
        assert [one["name"] for one in (await ask(ada, "room:members", room="r"))["who"]] == ["n0", "n4"]
        for one in others[:3]:
            await one.attach(h._transport.connect())
        assert (await told(ada))[0] == "room:joined"
        assert (await told(ada)) == ("room:crowded", {"crowded": True, "members": 4})
