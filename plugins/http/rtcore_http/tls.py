"""TLS: a server context out of two files, and quiet about those who do not speak it."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Any

from rtcore.errors import PluginError
from rtcore_http.settings import HttpSettings

_log = logging.getLogger("rtcore.http")


def context(settings: HttpSettings) -> ssl.SSLContext | None:
    """Return the context for `tls_certificate` and `tls_key`, or `None` without them. TLS 1.2 and newer.

    Raises:
        PluginError: a file is missing or is not what it should be; names the file, never its content.
    """
    certificate = settings.tls_certificate
    if certificate is None:
        return None
    for path in (certificate, settings.tls_key):
        if path is not None and not path.is_file():
            raise PluginError(
                "http", f"no file at `{path}`", mend="see `tls_certificate` and `tls_key` in [http]"
            )
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.set_alpn_protocols(["http/1.1"])
    load(made, settings)
    return made


def load(context: ssl.SSLContext, settings: HttpSettings) -> None:
    """Read the certificate and its key; connections that are made by the context from here on have them.

    Raises:
        PluginError: as for `context`.
    """
    certificate = settings.tls_certificate
    if certificate is None:
        return
    try:
        context.load_cert_chain(certificate, settings.tls_key, password="")
    except (ssl.SSLError, OSError) as error:
        raise PluginError(
            "http",
            f"`{certificate}` and its key cannot be used: {error.strerror or type(error).__name__}",
            mend="both are PEM, and the key is the certificate's own, without a passphrase",
        ) from None


class Unheard:
    """Keeps failed TLS handshakes out of the log: whoever connects and leaves makes one, and that may be anybody.

    aiofastnet reports them to the event loop's exception handler, with a class where asyncio wants an exception, which
    takes thirty lines of traceback each. What had been the handler hears of everything else.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._before = loop.get_exception_handler()
        self._own = self._hear
        loop.set_exception_handler(self._own)

    def end(self) -> None:
        """Put the handler back that was there before."""
        if self._loop.get_exception_handler() is self._own:
            self._loop.set_exception_handler(self._before)

    def _hear(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == "SSL handshake failed":
            _log.debug("a TLS handshake failed: %r", context.get("exception"))
        elif self._before is not None:
            self._before(loop, context)
        else:
            loop.default_exception_handler(context)
