"""Everything that has to be seen on a GPU, in one command of at most 8 minutes on an H100:

    python -m tests.device --out DIR [--small]

Nothing is fetched: weights are random, of the real shapes (BERT base, Pythia-410M), and so is the text, of 25 tokens a
sentence. First what must hold: the summaries on the device are the CPU's to the last bit, float32 activations agree
with the CPU's within 1e-5, the same rows each time and in several passes; attributions
and interventions agree with the CPU's, the same bits each time. Then tables: prompts and edits per second, over the
public way; seconds of the job's loop over those of the bare model on the same batches, sentences and tokens per second,
planned and peak memory.
DIR gets `figures.json` and `figures.md`, written anew after each step: a run that is cut off still tells.
Exit code 1 where something does not hold. Where there is no CUDA device, or with --small, small shapes run on the CPU,
with the same code: that says whether the script works, not how fast anything is.

Goals: ratio <= 1.10 for BERT base at K = 10,000 in bfloat16 and float32, and for Pythia-410M; at least 20,000
sentences a second for BERT base in bfloat16. Attributions over the public way: `riemann` >= 10 for BERT base and >= 20
for Pythia-160M, `adaptive` >= 30 there; study B's masked prompts at one checkpoint, attributed and intervened, within
15 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from nwh.ingest.plan.shapes import BERT_BASE, PYTHIA_160M, PYTHIA_410M, Shape
from tests.device import knowledge
from tests.device.correctness import checks
from tests.device.shapes import TINY_BERT, TINY_PYTHIA
from tests.device.throughput import figures

KNOWLEDGE = ("model", "what", "units", "per_second", "over_public_way", "minutes_of_study_b")
COLUMNS = ("model", "dtype", "k", "sentences", "ratio", "sentences_per_second", "tokens_per_second")
MEMORY = ("planned_gb", "peak_gb", "result_seconds")


class Report:
    """What was found so far, in a folder."""

    def __init__(self, folder: Path, device: str) -> None:
        """Start with the machine."""
        name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
        self.folder = folder
        self.found: dict[str, Any] = {"device": name, "torch": torch.__version__}
        self.found |= {"checks": [], "knowledge": [], "figures": []}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, what: dict[str, Any]) -> None:
        """Take something in, print it, and write all anew."""
        print(json.dumps(what), flush=True)
        self.found[kind].append(what)
        (self.folder / "figures.json").write_text(json.dumps(self.found, indent=1))
        (self.folder / "figures.md").write_text(self._markdown())

    @property
    def holds(self) -> bool:
        """Whether all checks hold."""
        return all(check["holds"] for check in self.found["checks"])

    def _markdown(self) -> str:
        lines = [f"# {self.found['device']}, torch {self.found['torch']}", ""]
        lines += [f"- {'holds' if c['holds'] else 'FAILS'}: {c['check']} ({c['figure']})" for c in self.found["checks"]]
        for kind, columns in (("knowledge", KNOWLEDGE), ("figures", (*COLUMNS, *MEMORY))):
            lines += ["", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
            for figure in self.found[kind]:
                cells = [figure[column] for column in columns]
                said = [f"{cell:,.3f}" if isinstance(cell, float) else f"{cell}" for cell in cells]
                lines.append(f"| {' | '.join(said)} |")
        return "\n".join([*lines, ""])


def main(arguments: list[str]) -> int:
    """Run all of it; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for figures.json and figures.md")
    parser.add_argument("--small", action="store_true", help="small shapes, on the CPU")
    parser.add_argument("--minutes", type=float, default=7.0, help="begin no further figure after so many")
    options = parser.parse_args(arguments)
    small = options.small or not torch.cuda.is_available()
    device = "cpu" if small else "cuda"
    report, began = Report(options.out, device), time.monotonic()
    shape, n, k, times = (TINY_BERT, 600, 20, 3) if small else (BERT_BASE, 3000, 500, 20)
    for check, holds, figure in checks(device, shape, n, k, times):
        report.add("checks", {"check": check, "holds": holds, "figure": figure})
    asked = (TINY_BERT, TINY_PYTHIA) if small else (BERT_BASE, PYTHIA_160M)
    for shape in asked:
        for check, holds, figure in knowledge.checks(device, shape, 8):
            report.add("checks", {"check": check, "holds": holds, "figure": figure})
    for kind, row in _tables(device, asked, small):
        report.add(kind, row)
        if time.monotonic() - began > 60 * options.minutes:
            print("time is up", flush=True)
            break
    return 0 if report.holds else 1


def _tables(device: str, asked: tuple[Shape, Shape], small: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines of both tables; those of attributions take less time, and come first."""
    n, seconds = (16, 0.5) if small else (4096, 8.0)
    for shape in asked:
        yield from (("knowledge", row) for row in knowledge.figures(device, shape, n, seconds))
    read = (TINY_BERT, TINY_PYTHIA) if small else (BERT_BASE, PYTHIA_410M)
    ks, n, seconds = ([20, 200], 1500, 1.0) if small else ([10_000, 1000], 400_000, 7.0)
    for shape in read:
        yield from (("figures", row) for row in figures(device, shape, ["bfloat16", "float32"], ks, n, seconds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
