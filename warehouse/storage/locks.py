"""Locks of a warehouse: files that the system locks for a process, and frees when it ends, however it ends."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from nwh.warehouse.errors import BusyError


class Locks:
    """Locks in a folder; of an object store, where there is none, nothing is ever locked."""

    def __init__(self, folder: Path | None) -> None:
        """Use `Storage.locks`."""
        self._folder = folder

    @contextmanager
    def hold(
        self, name: str, holder: Mapping[str, Any] | None = None, *, wait: bool = False, shared: bool = False
    ) -> Iterator[None]:
        """Hold a lock.

        `holder` describes who has it, for others to read. A `shared` lock can be held by several, who are not
        described, but not beside one who holds it alone. Raises BusyError naming the holder unless `wait`.
        """
        if self._folder is None:
            yield
            return
        # a name can be longer than a file's may be: it stands in the file
        path = self._folder / sha256(name.encode()).hexdigest()[:32]
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+") as stream:
            try:
                _acquire(stream, wait, shared)
            except BlockingIOError:
                stream.seek(0)
                first = _json(stream.read())
                raise BusyError(
                    f"run {first.get('run_id', '?')} (process {first.get('pid', '?')}) is already working on "
                    f"{name}: wait for it, or stop it; `nwh status` shows it"
                ) from None
            if not shared:
                stream.truncate(0)
                stream.write(json.dumps({**(holder or {}), "lock": name, "pid": os.getpid()}))
                stream.flush()
            yield

    def held(self) -> dict[str, dict[str, Any]]:
        """Return the locks that one process of this machine holds alone right now, with what it wrote."""
        import fcntl

        held = {}
        for path in sorted(self._folder.glob("*")) if self._folder else []:
            with open(path) as stream:
                try:
                    fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    holder = _json(stream.read())
                    held[holder.get("lock", path.name)] = holder
        return held


def _acquire(stream: Any, wait: bool, shared: bool) -> None:
    """Lock an open file; without `wait` give up after 0.2 s, longer than `held` looks at one."""
    import fcntl

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    if wait:
        fcntl.flock(stream, kind)
        return
    for attempt in range(5):
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 4:
                raise
            time.sleep(0.05)


def _json(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError:
        return {}
