"""The contract of authenticators: `rtcore.spi.auth.Authenticator`, as tests."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from rtcore.errors import Rejected
from rtcore.spi.auth import Authenticator, Identity
from rtcore.spi.transport import Handshake
from rtcore.testing.contract import Contract


async def asked(authenticator: Authenticator, handshake: Handshake) -> Identity | None:
    """Return an authenticator's answer, whether it is plain or has to be awaited."""
    answer = authenticator.authenticate(handshake)
    return answer if answer is None or isinstance(answer, Identity) else await answer


class AuthenticatorContract(Contract):
    """Subclass it; give `make_authenticator`, and handshakes of every kind.

        class TestMyKeys(AuthenticatorContract):
            welcome = {"alice": Handshake("test", token="key-of-alice")}
            refused = [Handshake("test", token="key-of-nobody")]
            unknown = [Handshake("test"), Handshake("test", token="Basic abc")]
            secrets = ["key-of-alice", "key-of-nobody"]

            def make_authenticator(self):
                return MyKeys({"key-of-alice": "alice"})

    Attributes:
        welcome: the handshake of each of some subjects; at least two, so that they can be told apart.
        refused: handshakes with credentials of this scheme that are wrong, expired, forged, malformed.
        unknown: handshakes without credentials of this scheme: none at all, and somebody else's.
        secrets: texts from those handshakes that must be in no log, no error and no `repr`.
    """

    welcome: ClassVar[Mapping[str, Handshake]] = {}
    refused: ClassVar[Sequence[Handshake]] = ()
    unknown: ClassVar[Sequence[Handshake]] = (Handshake("test"),)
    secrets: ClassVar[Sequence[str]] = ()

    def make_authenticator(self) -> Authenticator:
        """Return an authenticator."""
        raise NotImplementedError

    def assert_no_secret(self, text: str, where: str) -> None:
        """Fail if one of the secrets is in a text."""
        for secret in self.secrets:
            assert secret not in text, f"a secret is in {where}"

    def test_it_is_an_authenticator_with_a_name(self) -> None:
        authenticator = self.make_authenticator()
        assert isinstance(authenticator, Authenticator)
        assert authenticator.name
        self.assert_no_secret(repr(authenticator), "its repr")

    def test_the_suite_was_told_who_is_who(self) -> None:
        assert len(self.welcome) >= 2, "give welcome: the handshakes of at least two subjects"
        assert self.refused, "give refused: credentials of this scheme that are wrong"
        assert self.secrets, "give secrets: texts that must not show up anywhere"

    @pytest.mark.asyncio
    async def test_good_credentials_make_an_identity(self) -> None:
        authenticator = self.make_authenticator()
        for subject, handshake in self.welcome.items():
            identity = await asked(authenticator, handshake)
            assert isinstance(identity, Identity)
            assert identity.subject == subject
            assert not identity.anonymous
            self.assert_no_secret(repr(identity), "the identity's repr")

    @pytest.mark.asyncio
    async def test_to_ask_twice_is_to_be_told_the_same(self) -> None:
        authenticator = self.make_authenticator()
        for handshake in self.welcome.values():
            first = await asked(authenticator, handshake)
            second = await asked(authenticator, handshake)
            assert first is not None
            assert second is not None
            assert (first.subject, first.scopes) == (second.subject, second.scopes)

    @pytest.mark.asyncio
    async def test_without_credentials_of_its_scheme_somebody_else_may_know(self) -> None:
        authenticator = self.make_authenticator()
        for handshake in self.unknown:
            assert await asked(authenticator, handshake) is None

    @pytest.mark.asyncio
    async def test_wrong_credentials_are_refused_with_a_code(self) -> None:
        authenticator = self.make_authenticator()
        for handshake in self.refused:
            with pytest.raises(Rejected) as caught:
                await asked(authenticator, handshake)
            assert caught.value.code in {"unauthenticated", "forbidden"}
            self.assert_no_secret(str(caught.value), "a refusal")
            self.assert_no_secret(str(caught.value.fields()), "what a refused client is told")

    @pytest.mark.asyncio
    async def test_no_secret_is_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        authenticator = self.make_authenticator()
        with caplog.at_level(logging.DEBUG):
            for handshake in [*self.welcome.values(), *self.refused, *self.unknown]:
                try:
                    await asked(authenticator, handshake)
                except Rejected:
                    continue
        self.assert_no_secret(caplog.text, "the log")
