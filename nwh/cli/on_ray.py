"""`--on ray`: a command's shards as tasks of Ray, wherever there is room. The only module that names Ray.

A task is the same command with `--shard I/N`: it stages its share, and the last one stores all of it. So a task can be
tried again anywhere, twice by mistake too, and nothing is lost with a node or with this process.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperCommand

from nwh.cli.state import State, state_of
from nwh.warehouse.errors import BusyError, NwhError, UsageError, first_line

_ANSWERS = 10  # seconds in which a node has to
_TRIES = 10  # of a shard whose process or node dies
_WAITS = 60  # of 5 s, for another process that does the same shard
_PER_SLOT = 2  # shards for each that can run at once: who is done first takes another


def distribute(command: Callable[..., None], context: typer.Context, **options: Any) -> None:
    """Run a command's shards on Ray until the last of them has stored the result.

    options: its arguments by name, those of `groups.Sharing` among them. An interrupt ends the shards that run; those
    that are done, and what others have saved, stay staged, and the same command goes on from there. UsageError without
    Ray, or where none answers at the address; the error of a shard that fails; NwhError for one whose process dies
    again and again.
    """
    if options["shard"] is not None or options["merge"]:
        raise UsageError("--on runs all shards and merges them: leave out --shard and --merge")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = _ray()
    state = state_of(context)
    storage = state.open().storage
    _connect(ray, options["on"])
    try:
        there = ray.cluster_resources()
        device = _device(options.get("device", "cpu"), there)
        slots = int(there.get("GPU" if device == "cuda" else "CPU", 0))
        if not slots:
            raise UsageError(f"no node of this Ray has a {'GPU' if device == 'cuda' else 'CPU'}: see `ray status`")
        job = context.info_name or command.__name__
        n = options["shards"] or _staged(storage, job) or _PER_SLOT * slots
        asked = {**options, "on": None, "shards": None}
        asked |= {"device": device} if "device" in asked else {}
        asked |= {"processes": asked["processes"] or 1} if "processes" in asked else {}  # a task has one CPU
        if os.path.exists(model := asked.get("model", "")):
            asked["model"] = os.path.abspath(model)
        remote = ray.remote(num_cpus=1, num_gpus=int(device == "cuda"), max_retries=_TRIES)(_shard)
        of = {remote.remote(command, storage.uri, asked, f"{i}/{n}"): i for i in range(1, n + 1)}
        with state.progress.bar(f"{job} on {slots} of Ray", n, "shards") as bar:
            _wait(ray, of, bar.advance)
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Return Ray, whose functions are not all typed."""
    try:
        import ray
    except ImportError as error:
        raise UsageError("--on ray needs Ray: pip install 'nwh[ray]'") from error
    return ray


def _connect(ray: Any, on: str) -> None:
    address = None if on == "ray" else on
    host, _, port = on.removeprefix("ray://").rpartition(":")
    if address and not port.isdigit():
        raise UsageError(f"--on {on} names no Ray: give ray, HOST:PORT or ray://HOST:PORT")
    try:
        if address:  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), _ANSWERS).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError, ImportError) as error:
        raise UsageError(f"no Ray at --on {on}: {first_line(error)}") from error


def _device(asked: str, there: Mapping[str, float]) -> str:
    """Return the device of the tasks: a GPU for each where nodes have some and no other device is asked for."""
    if asked == "auto":
        return "cuda" if there.get("GPU") else "cpu"
    return asked.partition(":")[0]


def _staged(storage: Any, job: str) -> int:
    """Return into how many shards a job was shared before, of which some are staged; 0 where none are."""
    from nwh.warehouse.storage.units import units_under_way

    names = [each.unit.rpartition("/")[2] for each in units_under_way(storage) if each.job == job]
    return max((int(name.partition("-of-")[2]) for name in names if "-of-" in name), default=0)


def _wait(ray: Any, of: dict[Any, int], advance: Callable[[int], None]) -> None:
    """Wait for all tasks; where one fails, or this process is interrupted, end the others."""
    waiting = list(of)
    try:
        while waiting:
            done, waiting = ray.wait(waiting)
            ray.get(done)
            advance(len(done))
    except BaseException as error:
        for task in waiting:
            with suppress(Exception):  # it has ended, or Ray has
                ray.cancel(task, force=True)
        if isinstance(error, ray.exceptions.RayTaskError) and isinstance(error.cause, NwhError):
            raise error.cause from None
        if isinstance(error, ray.exceptions.RayError):
            raise NwhError(
                f"a shard has failed: {first_line(error)}; what is staged stays, and the same command goes on from it"
            ) from error
        raise


def _shard(command: Callable[..., None], uri: str, options: dict[str, Any], shard: str) -> None:
    """Run a command for a shard in this process, one of Ray's."""
    context = typer.Context(TyperCommand("nwh"), obj=State(uri, quiet=True))
    for tried in range(_WAITS):
        try:
            command(context=context, **{**options, "shard": shard})
            return
        except BusyError:  # by a process on a node that Ray has given up, whose lock ends with it
            if tried == _WAITS - 1:
                raise
            time.sleep(5)
