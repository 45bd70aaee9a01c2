"""Settings of rate limits. The rate of a session is the kernel's own option, `rate_limit_per_second`."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class Settings:
    """How much at once, and limits beyond one session. Rates are messages per second; 0 is off."""

    burst: int | None = attrs.field(
        default=None,
        validator=v.optional(v.ge(1)),
        metadata={
            "reload": True,
            "help": "Messages that a session may send at once. Unset: two seconds' worth.",
        },
    )
    identity_rate: float = attrs.field(
        default=0.0,
        validator=v.ge(0),
        metadata={
            "reload": True,
            "help": "Messages per second of one identity, all its sessions together; 0: no limit.",
        },
    )
    identity_burst: int | None = attrs.field(
        default=None, validator=v.optional(v.ge(1)), metadata={"reload": True, "help": "The same at once."}
    )
    address_rate: float = attrs.field(
        default=0.0,
        validator=v.ge(0),
        metadata={
            "reload": True,
            "help": "Messages per second from one address (IPv6: one /64); 0: no limit.",
        },
    )
    address_burst: int | None = attrs.field(
        default=None, validator=v.optional(v.ge(1)), metadata={"reload": True, "help": "The same at once."}
    )
    max_tracked: int = attrs.field(
        default=100_000,
        validator=v.ge(1),
        metadata={"help": "Identities, and addresses, whose allowance is remembered."},
    )
