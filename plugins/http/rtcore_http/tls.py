"""TLS: a server context out of two files."""

from __future__ import annotations

import ssl

from rtcore.errors import PluginError
from rtcore_http.settings import HttpSettings


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
    try:
        made.load_cert_chain(certificate, settings.tls_key)
    except (ssl.SSLError, OSError) as error:
        raise PluginError(
            "http",
            f"`{certificate}` and its key cannot be used: {error.strerror or type(error).__name__}",
            mend="both are PEM, and the key is the certificate's own, without a passphrase",
        ) from None
    return made
