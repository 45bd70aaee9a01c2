"""The programs that some tests run for real. A missing one fails the test: a skipped test proves nothing."""

from __future__ import annotations

import shutil

import pytest


def program(*names: str) -> str:
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.fail(f"{names[0]} is not installed; `make system` says how to get it", pytrace=False)


@pytest.fixture(scope="session")
def nginx() -> str:
    """The path of nginx; mark the test with `nginx`."""
    return program("nginx", "/usr/sbin/nginx")


@pytest.fixture(scope="session")
def curl() -> str:
    """The path of curl; mark the test with `nginx`, which it needs as well."""
    return program("curl")


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium, for playwright's `executable_path`; mark the test with `browser`."""
    return program("chromium")
