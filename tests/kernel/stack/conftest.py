"""Plugins made on the spot: distributions with metadata and entry points, in a folder of their own."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import attrs
import pytest

HEAD = "import attrs\nfrom rtcore.hooks import hookimpl, hookspec\n__rtcore_api__ = 1\n"


@attrs.frozen
class Shelf:
    """What is installed, as far as the tests are concerned."""

    folder: Path

    def add(
        self,
        name: str,
        source: str = "",
        *,
        head: str = HEAD,
        distribution: str | None = None,
        module: str | None = None,
        version: str = "1.0",
        target: str = "",
    ) -> None:
        """Install a plugin whose module is `source` below the usual head."""
        module = module or f"rtcore_{name}"
        distribution = distribution or module.replace("_", "-")
        (self.folder / f"{module}.py").write_text(head + textwrap.dedent(source))
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[rtcore]\n{name} = {module}{target}\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "site"
    made.mkdir()
    return made


@pytest.fixture
def shelf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Nothing is installed but what a test adds."""

    def entry_points(*, group: str) -> list[metadata.EntryPoint]:
        found = metadata.distributions(path=[str(folder)])
        return [entry for dist in found for entry in dist.entry_points if entry.group == group]

    monkeypatch.setattr("rtcore.plugins.find.metadata.entry_points", entry_points)
    monkeypatch.syspath_prepend(folder)
    # Real plugins that other tests have imported must not stand in for what is on this shelf.
    for name in [name for name in sys.modules if name.partition(".")[0].startswith("rtcore_")]:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    yield Shelf(folder)
    for name in set(sys.modules) - before:
        if name.startswith("rtcore_"):
            del sys.modules[name]
