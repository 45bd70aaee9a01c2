"""What happens to a room's messages while a member cannot take them."""

from __future__ import annotations

import pytest
import rtcore_rooms

from rtcore.app import App
from rtcore.errors import SettingsError


async def test_a_room_has_its_own_policy_for_members_that_do_not_keep_up(house):
    options = {
        "cursors:*": {"policy": "conflate", "policy_key": "id"},
        "text:*": {"policy": "merge", "policy_merge": "t"},
    }
    async with house(options) as h:
        alice, bob = await h.client("cursors:1", "text:1", "r"), await h.client("cursors:1", "text:1", "r")
        session = h.session(bob)
        connection = session.connection
        connection.pause()
        for i in range(10):
            await alice.send("moved", {"id": i % 2, "x": i}, room="cursors:1")
            await alice.send("said", {"t": str(i)}, room="text:1")
        for i in range(2):
            await alice.send("moved", {"id": 0, "x": i}, room="r")
        for _ in range(22):
            await alice.receive()
        connection.resume()
        got = [(await bob.receive()) for _ in range(6)]
        assert [(m.room, m.payload) for m in got if m.type != "gap"] == [
            ("cursors:1", {"id": 0, "x": 8}),
            ("text:1", {"t": "0123456789"}),
            ("cursors:1", {"id": 1, "x": 9}),
            ("r", {"id": 0, "x": 0}),
            ("r", {"id": 0, "x": 1}),
        ]


@pytest.mark.parametrize(
    "options", [{"policy_key": "id"}, {"policy": "merge"}, {"policy": "conflate", "policy_merge": "t"}]
)
def test_half_a_policy_is_a_mistake_in_the_settings(options):
    with pytest.raises(SettingsError, match="polic"):
        App({"rooms": {"options": {"a": options}}}, plugins=[rtcore_rooms]).boot()
