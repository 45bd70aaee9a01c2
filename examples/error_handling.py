"""What goes wrong, and how each side learns of it.

Every error has a stable code. What one client does wrong, or breaks in a handler, is that client's news alone.

Prints:

    unknown_type: no handler for 'nonsense'
    bad_payload: `amount`: expected `int`, given `str`
    app:no_funds: you have 10 (details: {'missing': 5})
    handler_failed: the handler of 'break' failed; the server's log says why
    timeout: ponder: nothing within 0.1 s; it was sent and may have run
    still here: 8 left
    disconnect: slow_consumer
    reconnect: resumed
    disconnect: kicked
    stopped: kicked
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from rtcore_client import RealtimeClient, RealtimeError
from rtcore_http.service import Http

from rtcore import App, Rejected, Session

app = App({"http": {"port": 0}})


@dataclass
class Withdrawal:
    amount: int


@app.handler("withdraw")
def withdraw(wish: Withdrawal) -> int:
    if wish.amount > 10:
        raise Rejected("app:no_funds", "you have 10", details={"missing": wish.amount - 10})
    return 10 - wish.amount


@app.handler("break")
def broken() -> None:
    raise ZeroDivisionError


@app.handler("ponder")
async def ponder() -> None:
    await asyncio.sleep(60)  # cancelled as soon as the client gives up


@app.handler("drop me")
def drop_me(session: Session) -> None:
    assert session.connection is not None
    session.connection.close("slow_consumer")


async def main() -> None:
    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url, reconnect_delay=0.1) as client:
            for type_, payload in (
                ("nonsense", None),
                ("withdraw", {"amount": "a lot"}),
                ("withdraw", {"amount": 15}),
                ("break", None),
                ("ponder", None),
            ):
                try:
                    await client.request(type_, payload, timeout=0.1 if type_ == "ponder" else 5)
                except RealtimeError as error:
                    details = f" (details: {error.details})" if error.code.startswith("app:") else ""
                    print(f"{error.code}: {error.reason}{details}")
            print(f"still here: {await client.request('withdraw', {'amount': 2})} left")

            back = asyncio.Event()
            client.on("disconnect", lambda code: print(f"disconnect: {code}"))
            client.on("reconnect", lambda info: print(f"reconnect: {'resumed' if info.resumed else 'anew'}"))
            client.on("reconnect", lambda _: back.set())
            await client.send("drop me")
            await back.wait()

            stopped = asyncio.Event()
            client.on("error", lambda error: print(f"stopped: {error.code}"))
            client.on("error", lambda _: stopped.set())
            session = client.get_connection_info().session_id
            assert session is not None
            app.manager.disconnect(session, "kicked")
            await stopped.wait()


if __name__ == "__main__":
    # The traceback of `broken` belongs into a server's log; here it is not what this is about.
    logging.getLogger("rtcore.handlers").disabled = True
    asyncio.run(main())
