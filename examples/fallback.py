"""Where a transport does not work, another one does; and a session can change it in the middle of a conversation.

This server has no WebSocket, as behind a proxy that does not let it through. The client wants one and gets Server-Sent
Events. Then the numbers 1 to 100 come down while the session is moved to long polling and back: it is the same session,
nothing is lost and nothing comes twice.

Prints:

    wanted websocket, carried by sse
    carried by polling
    carried by sse
    100 numbers, in order, each once; still the same session
"""

from __future__ import annotations

import asyncio

from rtcore_client import RealtimeClient
from rtcore_http.service import Http

from rtcore import App, Session

app = App({"http": {"port": 0}, "disabled": ["websocket"]})


@app.handler("count")
async def count(session: Session, to: int) -> None:
    for n in range(1, to + 1):
        session.send("number", n)
        await asyncio.sleep(0.005)


async def main() -> None:
    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(
            url, connection_type="websocket", fallback_types=["sse", "polling"]
        ) as client:
            before = client.get_connection_info()
            print(f"wanted websocket, carried by {before.connection_type}")
            client.on("transport", lambda transport: print(f"carried by {transport}"))

            numbers = []
            async with client.messages("number") as stream:
                await client.send("count", 100)
                async for message in stream:
                    numbers.append(message.payload)
                    if len(numbers) == 30:
                        await client.switch_transport("polling")
                    elif len(numbers) == 60:
                        await client.switch_transport("sse")
                    elif len(numbers) == 100:
                        break

            assert numbers == list(range(1, 101))
            assert client.get_connection_info().session_id == before.session_id
            print(f"{len(numbers)} numbers, in order, each once; still the same session")


if __name__ == "__main__":
    asyncio.run(main())
