"""Processes that start quickly: forked from a server that has imported torch, transformers and the jobs once.

They are processes all the same: `kill -9` ends them, and folder, environment, output and exit code are their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

STREAMS = ("stdin", "stdout", "stderr")

forked = get_context("forkserver")
# Only to save time: a process imports what is missing here by itself.
forked.set_forkserver_preload(
    [
        "nwh.cli",
        "deltalake.transaction",
        "rich.progress",
        "rich.table",
        "nwh.ingest.activations.job",
        "nwh.ingest.text.corpus",
        "nwh.ingest.activations.text_activations",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.bert.modeling_bert",
    ]
)


def nwh(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `nwh` with arguments in a folder and return what `subprocess.run` would."""
    with TemporaryDirectory() as place:
        for name in STREAMS:
            Path(place, name).write_bytes(stdin if name == "stdin" else b"")
        process = forked.Process(target=_nwh, args=(arguments, str(folder), dict(environment), place))
        process.start()
        process.join()
        said = [Path(place, name).read_bytes() for name in STREAMS[1:]]
        return subprocess.CompletedProcess(arguments, process.exitcode, *said)


def _nwh(arguments: Sequence[str], folder: str, environment: Mapping[str, str], place: str) -> None:
    for descriptor, name in enumerate(STREAMS):
        os.dup2(os.open(f"{place}/{name}", os.O_RDWR), descriptor)
    sys.stdin = os.fdopen(0, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["nwh", *arguments]
    from nwh.cli import main

    main()
