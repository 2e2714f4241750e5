"""What a log shows of a long job: lines at its beginning, each minute, at its end; nothing with --quiet."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import pytest

from nwh.cli.state import State
from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse, progress
from nwh.warehouse.progress import LineProgress, RichProgress, span


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def log():
    return []


def test_a_line_a_minute_with_done_rate_and_time_left(log):
    clock = Clock()
    with LineProgress(log.append, clock).bar("brown", 100_000, "sentences", done=10_000) as bar:
        for _ in range(36):  # a step every 5 s, 180 s in all
            clock.now += 5
            bar.advance(1000)
    assert log == [
        "brown: 22,000 of 100,000 sentences after 1 min, 200/s, 6 min left",
        "brown: 34,000 of 100,000 sentences after 2 min, 200/s, 6 min left",
        "brown: 46,000 of 100,000 sentences after 3 min, 200/s, 4 min left",
    ]


def test_slow_units_and_unknown_totals(log):
    clock = Clock()
    reporter = LineProgress(log.append, clock)
    with reporter.bar("layers", 12, "layers") as bar:
        clock.now += 120
        bar.advance(1)
    with reporter.bar("text", None, "documents") as bar:
        clock.now += 60
        bar.advance(6000)
    with reporter.bar("short", 3, "neurons") as bar:
        bar.advance(3)
    assert log == [
        "layers: 1 of 12 layers after 2 min, 0.5/min, 22 min left",
        "text: 6,000 documents after 1 min, 100/s",
    ]


def test_no_time_left_without_a_rate(log):
    clock = Clock()
    with LineProgress(log.append, clock).bar("brown", 10, "sentences") as bar:
        clock.now += 60
        bar.advance(0)
    assert log == ["brown: 0 of 10 sentences after 1 min, 0.0/min"]


def test_a_run_says_what_where_and_with_how_much_memory(tmp_path, log):
    warehouse = Warehouse.create(tmp_path / "w")
    with warehouse.run("corpus", {"corpus": "c"}, {"device": "cpu"}, progress=LineProgress(log.append)) as run:
        assert len(log) == 1, "before the work"
        run.write(
            "corpora", {"corpus": "c"}, {"source": ["x"], "n_documents": [1], "n_sentences": [0], "settings": ["{}"]}
        )
    begun, ended = log
    assert re.fullmatch(r"corpus corpus=c begins on cpu; \d+\.\d GB of \d+\.\d GB memory used so far", begun)
    assert re.fullmatch(r"corpus corpus=c has ended after \d+ s: 1 rows; \d+\.\d GB of memory at most", ended)


def test_a_run_that_fails_has_not_ended(tmp_path, log):
    warehouse = Warehouse.create(tmp_path / "w")
    with (
        pytest.raises(ValueError, match="no"),
        warehouse.run("corpus", {"corpus": "c"}, {}, progress=LineProgress(log.append)),
    ):
        raise ValueError("no")
    assert len(log) == 1


def test_memory_of_an_accelerator(monkeypatch, log):
    cuda = SimpleNamespace(mem_get_info=lambda device: (60e9, 80e9), get_device_name=lambda device: "H100")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    LineProgress(log.append).begun("activations model=m", "cuda:0")
    assert log == ["activations model=m begins on cuda:0; 60.0 of 80.0 GB free on H100"]


def test_lines_only_where_stderr_is_no_terminal(tmp_path, monkeypatch, capsys):
    assert isinstance(State().progress, LineProgress)
    ingest_corpus(
        Warehouse.create(tmp_path / "w"), "c", "x", lambda: [Document("a", "A text. " * 9)], progress=State().progress
    )
    lines = capsys.readouterr().err.splitlines()
    assert [lines[0].startswith("corpus corpus=c begins; "), lines[-1].startswith("corpus corpus=c has ended")] == [
        True,
        True,
    ]
    assert State(quiet=True).progress is progress.SILENT
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(State().progress, RichProgress)


def test_spans():
    assert [span(each) for each in (0, 59, 60, 3599, 86_399, 86_400 * 3)] == [
        "0 s",
        "59 s",
        "1 min",
        "1 h 0 min",
        "1 d 0 h",
        "3 d 0 h",
    ]
