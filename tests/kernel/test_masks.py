"""What is secret in a URL is shown nowhere: not by `rtcore config`, not in an error, not in the log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtcore.masks import masked, masked_value
from rtcore.settings import toml
from rtcore.settings.sources import Text
from rtcore.settings.words import given_text
from tests.kernel.test_logs import logged

SECRET = "swordfish"
URLS = [
    f"https://user:{SECRET}@collector.example:4318/v1",
    f"https://{SECRET}@collector.example",
    f"redis://:{SECRET}@cache:6379/0",
    f"nats://user:p@{SECRET}@a.example",
    f"postgres://user:a/{SECRET}@db.example/name",
    f"https://user:a?b#{SECRET}@host",
    f"https://user:a \"{SECRET}'@host",
    f"https://collector.example/v1?tenant=7&api_key={SECRET}",
    f"https://collector.example/v1?access_token={SECRET}#top",
    f"https://collector.example/v1?X-Amz-Signature={SECRET};Password={SECRET}",
    f"HTTPS://USER:{SECRET}@HOST",
]


@pytest.mark.parametrize("url", URLS)
def test_a_secret_in_a_url_is_shown_nowhere(url: str) -> None:
    shown = [
        toml.shown_text(url),
        toml.shown_text([url]),
        toml.shown_text({"a": {"b": url}}),
        given_text(url),
        given_text(Text(url)),
        masked_value(url),
    ]
    if " " not in url:
        shown += [masked(f"cannot reach {url}: refused"), *logged("cannot reach %s", url)]
        try:
            raise ValueError(f"no such collector: {url}")
        except ValueError as error:
            shown += logged("failed", error=error)
    assert not [text for text in shown if SECRET in text]


@pytest.mark.parametrize(
    "text",
    [
        "https://collector.example:4318/v1/@scope/name?tenant=7",
        "http://[::1]:8080",
        "http://localhost:8080/rt",
        "file:///etc/rtcore.toml",
        "me@example.org",
        "a: //b@c",
        "",
    ],
)
def test_what_holds_none_is_shown_as_it_is(text: str) -> None:
    assert masked(text) == masked_value(text) == text


def test_a_program_still_reads_what_it_was_given() -> None:
    assert toml.value_text(URLS[0]) == f'"{URLS[0]}"'


@given(st.text(), st.text())
def test_any_text_can_be_masked_and_what_stands_before_and_behind_stays(before: str, behind: str) -> None:
    found = masked(f"{before} https://user:{SECRET}@host {behind}")
    assert "https://***@host" in found or "://" in before
    assert SECRET not in found
