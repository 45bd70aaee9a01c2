"""Failures of an attach: what became of each transport that was tried, so that the last does not hide the first."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from rtcore_client.errors import NetworkError, RealtimeError
from rtcore_client.transports import LinkLost

if TYPE_CHECKING:
    from rtcore_client.options import ConnectionType


class AttachFailed(LinkLost):
    """No transport could carry the session.

    Attributes:
        tried: what became of each, in the order in which they were tried. The last is the server's own refusal, if it
            has answered.
    """

    def __init__(self, tried: Mapping[ConnectionType, LinkLost]) -> None:
        last = [LinkLost("NETWORK_ERROR", "no transport to try"), *tried.values()][-1]
        super().__init__(last.code, _reason(tried) or last.reason, refusal=last.refusal)
        self.passing = last.passing
        advised = [lost.retry_after for lost in tried.values() if lost.retry_after is not None]
        self.retry_after = max(advised, default=None)
        self.tried = dict(tried)


def error_of(lost: LinkLost, kind: type[NetworkError] = NetworkError, reason: str = "") -> RealtimeError:
    """Return the error that a program sees: the server's refusal, or one of `kind`; with all that has led to it.

    Args:
        lost: what ended a link, or kept one from being.
        kind: of the error, where the server has refused nothing.
        reason: instead of the one that `lost` has.
    """
    tried = lost.tried if isinstance(lost, AttachFailed) else {}
    refusal = lost.refusal if kind is NetworkError else None
    error = refusal or kind(reason or lost.reason or lost.code, retry_after=lost.retry_after)
    failures: dict[str, RealtimeError] = {
        type_: error_of(one) for type_, one in tried.items() if one.refusal is not error
    }
    if failures:
        error.failures = MappingProxyType(failures)
        causes = list(failures.values())
        error.__cause__ = (
            causes[0] if len(causes) == 1 else ExceptionGroup("what became of each transport", causes)
        )
    elif error.__cause__ is None:
        error.__cause__ = lost.__cause__
    return error


def _reason(tried: Mapping[ConnectionType, LinkLost]) -> str:
    """Name each transport with what became of it; those of which the same is to be said together."""
    by_text: dict[str, list[str]] = {}
    for type_, lost in tried.items():
        text = lost.reason or lost.code
        by_text.setdefault(text if lost.refusal is None else f"{lost.code}: {text}", []).append(type_)
    return "; ".join(f"{', '.join(types)}: {text}" for text, types in by_text.items())
