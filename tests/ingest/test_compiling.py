"""An account that can write neither the installation nor a home compiles loops again, and computes the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUN = """
import numpy as np
from nwh.ingest.patterns.mining import encoding
from nwh.ingest.patterns.mining import forest
from nwh.ingest.patterns.mining import patterns
from nwh.ingest.patterns.mining import sequence_kernels
from nwh.ingest import statistics
from nwh.ingest.patterns.mining import subtree_kernels
from nwh.ingest.activations.summaries import compiled
import nwh
print(nwh.__file__)
print(compiled._in_order(np.int32(-2)), *statistics.benjamini_hochberg(np.array([0.01, 0.5]), np.zeros(2, np.int64)))
"""


def test_nowhere_to_keep_compiled_loops(tmp_path):
    for folder in ("nwh", "warehouse", "ingest", "sql", "dashboards"):
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("", "patterns/mining", "activations/summaries"):
        (tmp_path / "ingest" / folder / "__pycache__").write_text("a file in the way, which stops root too")
    homeless = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache", "NUMBA_CACHE_DIR": ""}
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **homeless}
    command = [sys.executable, "-c", RUN]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    where, result = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert result == "-2147483647 0.02 0.5"


def test_every_loop_is_compiled_there():
    loose = [path for path in (ROOT / "ingest").rglob("*.py") if "njit" in path.read_text()]
    assert [path.name for path in loose] == ["compiling.py"]
