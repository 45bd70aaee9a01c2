"""How good is the connection? What the client sees by its heartbeats, and what the server counts.

The client feeds a `ConnectionQualityDetector` by itself. It can be fed by hand as well: here with three connections
that a phone has in an hour.

Prints:

    at home     12 ms     no losses   excellent -> websocket
    on a train  650 ms    no losses   fair      -> sse
    in a tunnel 1400 ms   2 of 5 lost poor      -> polling
    now: excellent, by websocket
    the server: 1 connection, 3 messages in, 3 out, no errors, no drops
"""

from __future__ import annotations

import asyncio

from rtcore_client import ConnectionQualityDetector, RealtimeClient
from rtcore_http.service import Http

from rtcore import App

app = App({"http": {"port": 0}})


def judge(where: str, latency: float, *, answered: int, lost: int = 0) -> None:
    detector = ConnectionQualityDetector()
    for _ in range(answered):
        detector.record_latency(latency)
    for _ in range(lost):
        detector.record_packet_loss()
    losses = f"{lost} of {answered + lost} lost" if lost else "no losses"
    quality, suggested = detector.get_connection_quality(), detector.get_suggested_connection_type()
    print(f"{where:11} {latency * 1000:.0f} ms".ljust(22) + f"{losses:11} {quality:9} -> {suggested}")


async def main() -> None:
    judge("at home", 0.012, answered=5)
    judge("on a train", 0.65, answered=5)
    judge("in a tunnel", 1.4, answered=3, lost=2)

    async with app:
        url = app.get(Http).urls[0] + "/rt"
        async with RealtimeClient(url) as client:
            for n in range(3):
                await client.request("echo", n)
            info = client.get_connection_info()
            print(f"now: {info.quality}, by {info.connection_type}")

            metrics = app.manager.get_metrics()
            print(
                f"the server: {metrics.connection_count} connection, {metrics.messages_received} messages in, "
                f"{metrics.messages_sent} out, {'some' if metrics.error_rate else 'no'} errors, "
                f"{'some' if any(metrics.drops.values()) else 'no'} drops"
            )


if __name__ == "__main__":
    asyncio.run(main())
