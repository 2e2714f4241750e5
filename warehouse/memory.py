"""How much memory DuckDB may use, and where it puts what does not fit: the spill."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import duckdb

from nwh.warehouse.errors import UsageError
from nwh.warehouse.storage.files import Storage

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])(i?)b", re.IGNORECASE)
_PERCENT = 50
"""of the machine's memory, for all of this process's instances of DuckDB together: a model needs the rest"""
_DAY = 24 * 3600
_CGROUP_1 = "memory.limit_in_bytes", "memory.usage_in_bytes"
_instances = 1


def divide_among(instances: int) -> None:
    """Give each instance of DuckDB that this process makes from now on an equal part of the memory."""
    global _instances
    _instances = instances


def limit() -> str:
    """Return what one instance may use, as DuckDB writes it; UsageError where `$NWH_MEMORY` is no amount."""
    given = os.environ.get("NWH_MEMORY")
    if not given:
        return f"{_PERCENT / _instances:g}%"
    found = _AMOUNT.fullmatch(given.strip())
    amount = float(found[1]) * (1024 if found[3] else 1000) ** (" kmgt".index(found[2].lower())) if found else 0
    if not amount:
        raise UsageError(f"$NWH_MEMORY is {given!r}: give an amount of memory, as 4GB or 500MB")
    return f"{int(amount / _instances)}B"


def apply(connection: duckdb.DuckDBPyConnection, storage: Storage) -> None:
    """Set a connection's memory limit, and a folder of its own to spill into, made when something is spilled."""
    folder = spill_folder(storage)
    remove_abandoned(folder)
    place = folder / f"{socket.gethostname()}.{os.getpid()}.{secrets.token_hex(3)}"
    connection.execute("set memory_limit = $1", [limit()])
    connection.execute("set temp_directory = $1", [str(place)])


def available() -> int:
    """Return the bytes of main memory that may still be taken, by what the system and its control group say."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    with suppress(OSError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for folder, most, taken in (("", "memory.max", "memory.current"), ("memory", *_CGROUP_1)):
        with suppress(OSError, ValueError):  # "max": no limit
            group = Path("/sys/fs/cgroup", folder)
            stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            given_back = int(stat.get("inactive_file", 0))  # pages of files, which count as taken
            found.append(int((group / most).read_text()) - int((group / taken).read_text()) + given_back)
    return max(0, min(found))


def spill_folder(storage: Storage) -> Path:
    """Return where instances spill: the staging area where it is a local folder that we can write, else the system's.

    The folder is there on return.
    """
    inside = Path(storage.uri, "staging", ".spill")
    if storage.local:
        with suppress(OSError):
            inside.mkdir(parents=True, exist_ok=True)
            if os.access(inside, os.W_OK | os.X_OK):
                return inside
    outside = Path(tempfile.gettempdir(), f"nwh-spill-{os.getuid()}")
    outside.mkdir(mode=0o700, exist_ok=True)
    return outside


def remove_abandoned(folder: Path) -> None:
    """Remove what processes spilled that are no more; of other machines', what was not touched for a day."""
    for place in folder.iterdir():
        with suppress(OSError, ValueError):  # others may remove it at the same time
            host, pid, _ = place.name.rsplit(".", 2)
            if host == socket.gethostname():
                gone = not _alive(int(pid))
            else:
                gone = time.time() - max(path.stat().st_mtime for path in (place, *place.iterdir())) > _DAY
            if gone:
                shutil.rmtree(place)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
