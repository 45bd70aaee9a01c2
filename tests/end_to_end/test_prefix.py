"""Behind a proxy that keeps its prefix, and behind one that strips it: over each transport, with a real nginx."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest
from front import fronted
from rtcore_client import ConnectionType, RealtimeClient
from stack import make, serving, until

pytestmark = pytest.mark.nginx

#: The base path of the server, the `proxy_pass` of a location, and the URL that a client is given.
PREFIXES = {
    "kept": ("/app/rt", "location /app/ {{ proxy_pass http://127.0.0.1:{port}; }}", "/app/rt"),
    "stripped": ("/rt", "location /app/ {{ proxy_pass http://127.0.0.1:{port}/; }}", "/app/rt"),
    "stripped to the root": ("/", "location /live/ {{ proxy_pass http://127.0.0.1:{port}/; }}", "/live"),
}


@pytest.mark.parametrize("transport", ["websocket", "sse", "polling"])
@pytest.mark.parametrize("prefix", PREFIXES)
async def test_each_transport_works_below_the_prefix(
    nginx: str, tmp_path: Path, prefix: str, transport: ConnectionType
) -> None:
    base, location, path = PREFIXES[prefix]
    app = make(http={"port": 0, "base": base})
    async with (
        serving(app) as port,
        fronted(nginx, tmp_path, location.format(port=port)) as url,
        RealtimeClient(url + path, connection_type=transport, fallback_types=()) as client,
    ):
        got: list[int] = []
        client.subscribe("said", lambda message: got.append(message.payload))
        await client.join_room("r")
        assert await client.request("echo", "up and down") == "up and down"
        for n in range(20):
            await client.send_to_room("r", "said", n)
        await until(lambda: len(got) == 20)
        assert got == list(range(20))
        assert client.get_connection_info().connection_type == transport


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_the_base_and_its_page_are_found_below_the_prefix(
    nginx: str, tmp_path: Path, prefix: str
) -> None:
    base, location, path = PREFIXES[prefix]
    app = make(http={"port": 0, "base": base})
    async with (
        serving(app) as port,
        fronted(nginx, tmp_path, location.format(port=port)) as url,
        aiohttp.ClientSession() as http,
        http.get(f"{url}{path}/") as response,
    ):
        assert (await response.json())["base"] == base


async def test_a_url_without_the_prefix_is_told_where_the_server_is(nginx: str, tmp_path: Path) -> None:
    app = make(http={"port": 0, "base": "/app/rt"})
    location = "location / {{ proxy_pass http://127.0.0.1:{port}; }}"
    async with serving(app) as port, fronted(nginx, tmp_path, location.format(port=port)) as url:
        client = RealtimeClient(
            url + "/rt", connection_type="polling", fallback_types=(), auto_reconnect=False
        )
        with pytest.raises(Exception, match=r"404: clients find this server below /app/rt"):
            await client.connect()
        await client.close()
