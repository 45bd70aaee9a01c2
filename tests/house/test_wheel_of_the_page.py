"""The demo page is in its plugin's wheel, built from a plain checkout: no Node, no step before."""

from __future__ import annotations

import subprocess
import sys
import zipfile

from tree import ROOT

PLUGIN = ROOT / "plugins/playground"


def test_the_wheel_has_every_file_that_is_served_and_nothing_of_the_workshop(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=PLUGIN,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if "/static/" in name}
    lying = {path.relative_to(PLUGIN).as_posix() for path in PLUGIN.glob("rtcore_playground/static/*")}
    assert "rtcore_playground/static/rtcore-client.js" in inside
    assert inside == {name for name in lying if not name.endswith(".d.ts")}
