"""What the port keeps in its aiohttp application, for handlers to find: `request.app[KEY]`."""

from __future__ import annotations

import ipaddress

from aiohttp import web

from rtcore.app import App
from rtcore.spi.codec import Codec
from rtcore_http.hosts import Hosts
from rtcore_http.origins import Origins
from rtcore_http.settings import HttpSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The rtcore application.
APP = web.AppKey("rtcore_app", App)
#: Who may connect from a browser.
ORIGINS = web.AppKey("rtcore_origins", Origins)
#: The names by which this server may be called.
HOSTS = web.AppKey("rtcore_hosts", Hosts)
#: Proxies that are believed.
NETWORKS = web.AppKey[tuple[Network, ...]]("rtcore_networks", tuple)
#: The `[http]` section.
SETTINGS = web.AppKey("rtcore_http_settings", HttpSettings)
#: What a request speaks that may come here. Kept in the request, which those with the same head may share.
CODEC = web.RequestKey[Codec]("rtcore_codec", Codec)
