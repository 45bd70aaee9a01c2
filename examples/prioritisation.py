"""What is urgent overtakes what waits.

A client that keeps up gets everything at once, in order. When it does not, or is away for a moment, its messages wait
in lanes: critical first, then high, normal and low by turns, so that low is slow and never starved. The client has the
same queue for what it wants to send.

Prints:

    away: 6 messages wait
    critical  fire in the machine room
    high      the boss is on the line
    normal    lunch is ready
    normal    the post is here
    low       weekly report, part 1
    low       weekly report, part 2
    by hand: alarm, mail, newsletter
"""

from __future__ import annotations

import asyncio

from rtcore_client import Message, PriorityMessageQueue, RealtimeClient
from rtcore_http.service import Http

from rtcore import App, Session

app = App({"http": {"port": 0}})


@app.handler("cut")
def cut(session: Session) -> None:
    """Close the connection and go on talking: the session lives, and keeps what it cannot deliver yet."""
    assert session.connection is not None
    session.connection.close("slow_consumer")
    session.connection.lost("slow_consumer")
    session.send("note", "weekly report, part 1", priority="low")
    session.send("note", "lunch is ready")
    session.send("note", "weekly report, part 2", priority="low")
    session.send("note", "the post is here")
    session.send("note", "the boss is on the line", priority="high")
    session.send("note", "fire in the machine room", priority="critical")
    print(f"away: {len(session.outbox)} messages wait")


async def main() -> None:
    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url, reconnect_delay=0.1) as client, client.messages("note") as notes:
            await client.send("cut")
            for _ in range(6):
                note = await anext(notes)
                print(f"{note.priority:9} {note.payload}")

    queue = PriorityMessageQueue()
    queue.enqueue(Message("newsletter", priority="low"))
    queue.enqueue(Message("mail"))
    queue.enqueue(Message("alarm", priority="critical"))
    print("by hand:", ", ".join(queue.dequeue().type for _ in range(3)))


if __name__ == "__main__":
    asyncio.run(main())
