"""Who may come in, and under which name: what of the settings can be read again while the port is open.

Rule: one object for all requests of a port, so that what is read again holds from the next request on.
"""

from __future__ import annotations

import ipaddress

from rtcore_http.hosts import Hosts
from rtcore_http.origins import Origins
from rtcore_http.settings import HttpSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Access:
    """The lists of a port.

    Args:
        settings: of the port.
        only_here: it listens on loopback addresses only.

    Attributes:
        origins: who may connect from a browser.
        hosts: the names by which this server may be called.
        networks: proxies that are believed.
        hsts: what `Strict-Transport-Security` says (RFC 6797); empty without TLS.
    """

    __slots__ = ("hosts", "hsts", "networks", "origins")

    def __init__(self, settings: HttpSettings, *, only_here: bool = False) -> None:
        self.origins = Origins(settings.origins, max_age=settings.preflight_max_age)
        self.hosts = Hosts(settings.allowed_hosts)
        if only_here and not settings.allowed_hosts:
            self.hosts.only_local()
        self.networks: tuple[Network, ...] = tuple(map(ipaddress.ip_network, settings.trusted_proxies))
        self.hsts = f"max-age={settings.hsts}" if settings.tls_certificate and settings.hsts else ""

    def become(self, other: Access) -> None:
        """Be as another one from here on."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))
