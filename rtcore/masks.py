"""Secrets inside of URLs: who shows a URL shows it without them.

>>> masked("redis://:swordfish@cache:6379/0 and https://c.example/v1?tenant=7&token=swordfish")
'redis://***@cache:6379/0 and https://c.example/v1?tenant=7&token=***'
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
#: Before the host: to the last `@` of the authority (RFC 3986, section 3.2.1); and where somebody has not escaped a
#: slash or a question mark of a password, to the last one that there is.
_USER: Final = re.compile(r"(?<=://)([^/?#]*@|[^/?#@:]*:(?!\d*([/?#]|$)).*@)", re.DOTALL)
_PARAMETER: Final = re.compile(
    r"([?&;][^=&;#]*(?:token|secret|passw|pwd|key|sig|auth|credential|session)[^=&;#]*=)[^&;#]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with what may be secret in its URLs replaced: user and password, parameters that are called so.

    >>> (
    ...     masked("https://user:pa/ss?w@host/path"),
    ...     masked("https://host:8080/@name"),
    ...     masked("no://at all @ here"),
    ... )
    ('https://***@host/path', 'https://host:8080/@name', 'no://at all @ here')
    """
    return _URL.sub(lambda url: _hide(url[0]), text) if "://" in text else text


def masked_value(value: str) -> str:
    """The same for one value, which is a URL from its beginning to its end if it begins as one.

    >>> masked_value('https://user:pass "word"@host')
    'https://***@host'
    """
    return _hide(value) if _URL.match(value) else masked(value)


def _hide(url: str) -> str:
    return _PARAMETER.sub(rf"\1{MASK}", _USER.sub(f"{MASK}@", url))
