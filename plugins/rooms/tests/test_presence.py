"""Who is in a room: names for those who gave one, events for those who watch, and nothing that grows with a crowd."""

from __future__ import annotations

import pytest
import rtcore_rooms
from rtcore_rooms.presence import Presence

from rtcore.app import App
from rtcore.errors import Rejected, SettingsError
from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.testing import WireClient
from rtcore.wire.message import Message


async def ask(client, type_, **payload):
    return (await client.request(type_, payload)).payload


async def join(house, name=None, room="r"):
    client = await house.client()
    asked = {"room": room} if name is None else {"room": room, "name": name}
    answer = await client.request("room:join", asked)
    assert answer.type == "reply", answer.payload
    return client


async def watch(house, name=None, room="r"):
    client = await join(house, name, room)
    assert (await ask(client, "room:members", room=room, watch=True))["watching"]
    return client


async def told(client):
    message = await client.receive()
    assert (message.room, message.sender) == ("r", None)
    return message.type, message.payload


async def names(client, room="r"):
    return [one["name"] for one in (await ask(client, "room:members", room=room))["who"]]


async def is_told_nothing_before(client, marker, h):
    """Whatever was told to this client is here before a message that is published now."""
    h.app.manager.send_to_room("r", Message(marker))
    assert (await client.receive()).type == marker


async def test_a_member_is_told_who_is_here_and_then_who_comes_and_goes(house):
    async with house() as h:
        ada = await join(h, "Ada")
        grace = await join(h, "Grace")
        me, her = ada.welcome.session, grace.welcome.session
        assert await ask(ada, "room:members", room="r", watch=True) == {
            "room": "r",
            "member": me,
            "members": 2,
            "watching": True,
            "who": [{"member": me, "name": "Ada"}, {"member": her, "name": "Grace"}],
        }
        alan = await join(h, "Alan")
        assert await told(ada) == (
            "room:joined",
            {"member": alan.welcome.session, "name": "Alan", "members": 3},
        )
        await ask(grace, "room:leave", room="r")
        assert await told(ada) == ("room:left", {"member": her, "members": 2})
        h.app.manager.disconnect(alan.welcome.session)
        assert await told(ada) == ("room:left", {"member": alan.welcome.session, "members": 1})


async def test_who_gave_no_name_is_counted_and_not_named(house):
    async with house() as h:
        ada = await watch(h, "Ada")
        quiet = await join(h)
        assert (await ask(ada, "room:members", room="r"))["members"] == 2
        assert await names(ada) == ["Ada"]
        await ask(quiet, "room:leave", room="r")
        await is_told_nothing_before(ada, "marker", h)


async def test_who_does_not_watch_is_told_nothing_and_one_may_stop(house):
    async with house() as h:
        ada, grace = await join(h, "Ada"), await watch(h, "Grace")
        answer = await ask(grace, "room:members", room="r", watch=False)
        assert answer["watching"] is False
        await join(h, "Alan")
        h.app.manager.send_to_room("r", Message("marker"))
        assert [(await client.receive()).type for client in (ada, grace)] == ["marker", "marker"]


async def test_to_join_again_under_another_name_renames(house):
    async with house() as h:
        ada, grace = await watch(h, "Ada"), await join(h, "Grace")
        assert (await told(ada))[1]["name"] == "Grace"
        await ask(grace, "room:join", room="r", name="Admiral Hopper")
        assert await told(ada) == (
            "room:joined",
            {"member": grace.welcome.session, "name": "Admiral Hopper", "members": 2},
        )
        assert await names(ada) == ["Ada", "Admiral Hopper"]
        await ask(grace, "room:join", room="r", name="Admiral Hopper")
        await ask(grace, "room:join", room="r")  # without a name: as before
        assert await names(ada) == ["Ada", "Admiral Hopper"]
        await is_told_nothing_before(ada, "marker", h)


async def test_a_cut_is_no_leaving_and_nothing_told_meanwhile_is_missed(house):
    async with house() as h:
        ada, grace = await watch(h, "Ada"), await watch(h, "Grace")
        await told(ada)
        await ada.cut()
        alan = await join(h, "Alan")
        h.app.manager.disconnect(alan.welcome.session)
        await ada.attach(h._transport.connect())
        assert [(await told(ada))[0] for _ in range(2)] == ["room:joined", "room:left"]
        assert [(await told(grace))[0] for _ in range(2)] == ["room:joined", "room:left"]
        assert await names(grace) == ["Ada", "Grace"]


# -- crowds --------------------------------------------------------------------------------------------------


async def test_in_a_crowd_nobody_is_named_and_those_who_watch_are_told_so_once(house):
    async with house({"*": {"presence": 4}}) as h:
        ada = await watch(h, "Ada")
        others = [await join(h, f"member {i}") for i in range(6)]
        assert [(await told(ada))[0] for _ in range(3)] == ["room:joined"] * 3
        assert await told(ada) == ("room:crowded", {"crowded": True, "members": 5})
        await ask(others[0], "room:join", room="r", name="renamed")
        assert await ask(ada, "room:members", room="r") == {
            "room": "r",
            "member": ada.welcome.session,
            "members": 7,
            "watching": True,
        }

        # At the limit nothing changes: one who comes and goes there costs nobody anything.
        for client in others[2:5]:
            await ask(client, "room:leave", room="r")
        assert "who" not in await ask(ada, "room:members", room="r")
        await is_told_nothing_before(ada, "marker", h)

        await ask(others[5], "room:leave", room="r")
        assert await told(ada) == ("room:crowded", {"crowded": False, "members": 3})
        assert await names(ada) == ["Ada", "member 1", "renamed"]


async def test_a_room_that_was_a_crowd_before_anybody_gave_a_name_is_one(house):
    async with house({"*": {"presence": 2}}) as h:
        for _ in range(3):
            await join(h)
        ada = await watch(h, "Ada")
        assert "who" not in await ask(ada, "room:members", room="r")


async def test_a_room_without_presence_names_nobody_and_keeps_no_names(house):
    async with house({"*": {"presence": 0}}) as h:
        ada = await join(h, "Ada")
        assert await ask(ada, "room:members", room="r", watch=True) == {
            "room": "r",
            "member": ada.welcome.session,
            "members": 1,
            "watching": False,
        }
        assert h.rooms._rooms["r"].presence is None


async def test_names_in_a_crowd_cost_the_same_however_large_it_is(house, monkeypatch):
    """The list is looked at only while it is short: in a crowd a name is stored, and no more."""
    async with house({"*": {"presence": 1}}) as h:
        await watch(h, "Ada")
        await join(h, "Grace")
        monkeypatch.setattr(Presence, "_seen", lambda _: pytest.fail("the list of a crowd was looked at"))
        alan = await join(h, "Alan")
        await ask(alan, "room:join", room="r", name="Turing")
        await ask(alan, "room:leave", room="r")


# -- one person, several sessions -----------------------------------------------------------------------------


class Names:
    """Takes a token for its owner's name."""

    name = "names"

    @hookimpl
    def rtcore_authenticators(self):
        return [self]

    async def authenticate(self, handshake):
        return Identity(handshake.token) if handshake.token else None


async def test_one_person_in_two_sessions_is_one_member_and_leaves_with_the_last(house):
    async with house(plugins=[Names()]) as h:

        async def person(subject, name):
            client = WireClient()
            await client.attach(h._transport.connect(), token=subject)
            await ask(client, "room:join", room="r", name=name)
            return client

        ada = await person("ada", "Ada")
        await ask(ada, "room:members", room="r", watch=True)
        phone = await person("grace", "Grace")
        assert (await told(ada))[1] == {"member": "grace", "name": "Grace", "members": 2}
        desk = await person("grace", "Grace at her desk")
        assert (await told(ada))[1] == {"member": "grace", "name": "Grace at her desk", "members": 3}
        third = await person("grace", "Grace at her desk")
        await ask(third, "room:leave", room="r")
        assert await names(ada) == ["Ada", "Grace at her desk"]
        await ask(desk, "room:leave", room="r")
        assert (await told(ada))[1] == {"member": "grace", "name": "Grace", "members": 2}
        await ask(phone, "room:leave", room="r")
        assert await told(ada) == ("room:left", {"member": "grace", "members": 1})


# -- who may not ----------------------------------------------------------------------------------------------


async def test_only_a_member_may_ask_and_leaving_ends_the_watch(house):
    async with house() as h:
        eve = await h.client()
        assert (await ask(eve, "room:members", room="r"))["code"] == "not_a_member"
        ada = await watch(h, "Ada")
        await ask(ada, "room:leave", room="r")
        await join(h, "Grace")
        await ask(ada, "room:join", room="r", name="Ada")
        assert (await ask(ada, "room:members", room="r"))["watching"] is False


class Discreet:
    """Lets nobody ask who is there."""

    name = "discreet"

    @hookimpl
    def rtcore_authorizers(self):
        return [self]

    async def authorize(self, session, action, resource):
        if action == "room:members":
            raise Rejected("forbidden", f"who is in {resource} is nobody's business")


async def test_an_authorizer_may_refuse_the_list_and_with_it_the_watch(house):
    async with house(plugins=[Discreet()]) as h:
        ada = await join(h, "Ada")
        assert (await ask(ada, "room:members", room="r", watch=True))["code"] == "forbidden"
        await join(h, "Grace")
        await is_told_nothing_before(ada, "marker", h)


@pytest.mark.parametrize("name", ["", " Ada", "Ada\n", "x" * 65, "A\x00da", 5])
async def test_a_name_that_nobody_has_is_refused_before_anything_happens(house, name):
    async with house() as h:
        eve = await h.client()
        assert (await ask(eve, "room:join", room="r", name=name))["code"] == "bad_payload"
        assert not h.rooms._rooms


async def test_no_client_can_fake_what_the_room_says(house):
    async with house() as h:
        ada, eve = await watch(h, "Ada"), await join(h)
        for type_ in ("room:joined", "room:left", "room:crowded"):
            answer = await eve.request(type_, {"member": "eve"}, room="r")
            assert answer.payload["code"] == "forbidden"
        await is_told_nothing_before(ada, "marker", h)


async def test_the_policy_of_a_rooms_messages_does_not_touch_what_the_room_says(house):
    async with house({"r": {"policy": "conflate", "policy_key": "id"}}) as h:
        ada = await watch(h, "Ada")
        connection = h.session(ada).connection
        connection.pause()
        others = [await join(h, f"member {i}") for i in range(3)]
        connection.resume()
        assert [(await told(ada))[1]["member"] for _ in others] == [one.welcome.session for one in others]


def test_a_presence_that_cannot_be_is_refused_at_boot():
    with pytest.raises(SettingsError, match="presence"):
        App({"rooms": {"options": {"*": {"presence": -1}}}}, plugins=[rtcore_rooms]).boot()
