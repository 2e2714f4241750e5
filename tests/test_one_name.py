"""What is installed owns one importable name, `nwh`, whatever the folders are called among which somebody works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nwh.warehouse import Warehouse

FOLDERS = ("warehouse", "sql", "ingest", "dashboards", "nwh")


@pytest.fixture
def crowded(tmp_path, monkeypatch):
    """Return a folder, the current one, that has a folder of each name of ours; `warehouse` is a warehouse."""
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    Warehouse.create(tmp_path / "warehouse")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-c", "from nwh import Warehouse; Warehouse.open('warehouse').sql('from corpora').fetchall()"],
        [Path(sys.executable).with_name("nwh"), "--warehouse", "warehouse", "status"],
        [sys.executable, "-m", "nwh", "--warehouse", "warehouse", "sql", "from corpora"],
    ],
    ids=["python", "console script", "python -m"],
)
def test_folders_of_our_names_are_not_taken_for_us(crowded, command):
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=alone)
    assert (done.returncode, done.stderr) == (0, "")


def test_pages_open_there(crowded):
    # As `streamlit run` does: the page's own folder first, then the current one.
    code = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        "import nwh.dashboards; from pathlib import Path\n"
        "page = Path(nwh.dashboards.__file__).with_name('pages') / 'app.py'\n"
        "app = AppTest.from_file(str(page), default_timeout=60).run()\n"
        "print([e.value for e in app.exception], [e.value for e in app.error], len(app.main), flush=True)\n"
        "import os; os._exit(0)  # daemon threads may still be reading"
    )
    environment = {**os.environ, "NWH_WAREHOUSE": "warehouse"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    errors, _, elements = done.stdout.strip().rpartition(" ")
    assert errors == "[] []"
    assert int(elements) > 0


@pytest.mark.slow
def test_the_wheel_owns_nwh_alone(tmp_path):
    root, clean = Path(__file__).parents[1], tmp_path / "checkout"
    shutil.copytree(root, clean, symlinks=True, ignore=shutil.ignore_patterns(".*", "build", "*.egg-info", "nwh-*"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(clean)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"nwh"}
    for part in ("warehouse/warehouse.py", "ingest/text/corpus.py", "dashboards/pages/app.py", "cli/__init__.py"):
        assert f"nwh/{part}" in names
    written = {str(path.relative_to(root)) for path in (root / "sql").rglob("*.sql")}
    assert {name.removeprefix("nwh/") for name in names if name.endswith(".sql")} == written
