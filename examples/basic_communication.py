"""Ask, tell, listen: a server and its client in one program.

A handler is a function with annotations: what its payload must be is checked before it runs, and what it returns is
the reply. The server may speak first, to one session or to all.

Prints:

    the server has counted 4 words
    the server says: welcome, Ada
    news: the shop closes at six
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rtcore_client import RealtimeClient
from rtcore_http.service import Http

from rtcore import App, Message, Session

app = App({"http": {"port": 0}})  # any free port


@dataclass
class Text:
    text: str


@app.handler("count")
def count(payload: Text) -> int:
    return len(payload.text.split())


@app.handler("hello")
def hello(session: Session, name: str) -> None:
    session.send("greeting", f"welcome, {name}")


async def main() -> None:
    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url) as client:
            words = await client.request("count", {"text": "once upon a time"})
            print(f"the server has counted {words} words")

            async with client.messages("greeting") as greetings:
                await client.send("hello", "Ada")
                print(f"the server says: {(await anext(greetings)).payload}")

            heard = asyncio.Event()

            def listen(message: Message) -> None:
                print(f"news: {message.payload}")
                heard.set()

            client.subscribe("news", listen)
            app.manager.broadcast(Message("news", "the shop closes at six"))
            await heard.wait()


if __name__ == "__main__":
    asyncio.run(main())
