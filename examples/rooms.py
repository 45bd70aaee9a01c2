"""Rooms: a named audience that clients join, leave and speak to, and the server too.

Options go by the room's name. Here rooms below `chat:` remember ten messages for those who come late, and in `board`
only the server speaks.

Prints:

    Ada joins, 1 member
    Grace joins, 2 members
    Grace reads: anybody here?
    Ada reads: I am.
    Alan comes late and reads: anybody here? I am.
    Grace has left
    Grace may not speak any more: not_a_member
    Alan may not write on the board: forbidden
    Alan reads on the board: rooms close at ten
"""

from __future__ import annotations

import asyncio

from rtcore_client import RealtimeClient, RequestError
from rtcore_http.service import Http

from rtcore import App, Message

app = App({
    "http": {"port": 0},
    "rooms": {"options": {"chat:*": {"history": 10, "echo": False}, "board": {"send": "server"}}},
})  # fmt: skip


async def main() -> None:
    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url) as ada, RealtimeClient(url) as grace, RealtimeClient(url) as alan:
            to_ada, to_grace = ada.messages("say"), grace.messages("say")
            print(f"Ada joins, {(await ada.join_room('chat:1'))['members']} member")
            print(f"Grace joins, {(await grace.join_room('chat:1'))['members']} members")

            await ada.send_to_room("chat:1", "say", "anybody here?")
            print(f"Grace reads: {(await anext(to_grace)).payload}")
            await grace.send_to_room("chat:1", "say", "I am.")
            print(f"Ada reads: {(await anext(to_ada)).payload}")

            to_alan = alan.messages()
            await alan.join_room("chat:1", history=10)
            earlier = [(await anext(to_alan)).payload for _ in range(2)]
            print("Alan comes late and reads:", *earlier)

            if await grace.leave_room("chat:1"):
                print("Grace has left")
            try:
                await grace.request("say", "one more thing", room="chat:1")
            except RequestError as error:
                print(f"Grace may not speak any more: {error.code}")

            await alan.join_room("board")
            try:
                await alan.request("say", "Alan was here", room="board")
            except RequestError as error:
                print(f"Alan may not write on the board: {error.code}")
            app.manager.send_to_room("board", Message("say", "rooms close at ten"))
            print(f"Alan reads on the board: {(await anext(to_alan)).payload}")


if __name__ == "__main__":
    asyncio.run(main())
