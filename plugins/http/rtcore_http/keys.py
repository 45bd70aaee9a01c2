"""What the port keeps in its aiohttp application, for handlers to find: `request.app[KEY]`."""

from __future__ import annotations

from aiohttp import web

from rtcore.app import App
from rtcore.spi.codec import Codec
from rtcore_http.access import Access
from rtcore_http.settings import HttpSettings

#: The rtcore application.
APP = web.AppKey("rtcore_app", App)
#: Who may come in.
ACCESS = web.AppKey("rtcore_access", Access)
#: The `[http]` section, as it was when the port was opened.
SETTINGS = web.AppKey("rtcore_http_settings", HttpSettings)
#: What a request speaks that may come here. Kept in the request, which those with the same head may share.
CODEC = web.RequestKey[Codec]("rtcore_codec", Codec)
