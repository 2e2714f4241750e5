"""Starts the Streamlit server with our pages."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from nwh.warehouse.warehouse import Warehouse


def serve(warehouse: Warehouse, host: str, port: int) -> NoReturn:
    """Become the server of the pages over a warehouse, until interrupted.

    The process itself becomes the server, so that whatever ends `nwh dashboard` ends the server.
    """
    spec = find_spec("nwh.dashboards")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent
    options = {
        "server.address": host,
        "server.port": port,
        "server.headless": "true",
        "server.fileWatcherType": "none",  # else all imported modules are gone through after every run of a page
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
        "theme.base": folder / "theme.toml",
    }
    command = [sys.executable, "-m", "nwh.dashboards.pages.serving", host, str(port)]
    command += ["run", str(folder / "pages" / "app.py"), *(f"--{name}={value}" for name, value in options.items())]
    os.execve(sys.executable, command, {**os.environ, "NWH_WAREHOUSE": warehouse.storage.uri})
