"""Writes a report: asks for the sections, draws the charts, puts page and files into a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from nwh.dashboards.charts import drawing
from nwh.dashboards.report import formation, knowledge, latex, layers, material, neurons, page, references
from nwh.dashboards.report.exhibits import Exhibit, Missing, Section, Subject
from nwh.warehouse import Warehouse, queries
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import short_name, split_checkpoint
from nwh.warehouse.neuron import parse_neuron
from nwh.warehouse.output import Format, write_rows
from nwh.warehouse.progress import SILENT, Progress

SECTIONS = (
    neurons.typical_neurons,
    neurons.selective_neurons,
    layers.lengths,
    layers.diversity,
    layers.neuron_maps,
    layers.distances,
    knowledge.changes,
    knowledge.counts,
    knowledge.sharing,
    knowledge.stability,
    knowledge.frequency,
    formation.formation,
    formation.consistency,
    formation.faithfulness,
    formation.side_effects,
    material.what_was_run,
)
_PAGE, _BIBTEX = "index.html", "references.bib"
_FILE = re.compile(rf'href="((?:data|figures|tables)/[A-Za-z0-9_-][A-Za-z0-9._-]*|{re.escape(_BIBTEX)})"')


def write_report(
    warehouse: Warehouse, model: str, folder: Path, chosen: Sequence[str] = (), progress: Progress = SILENT
) -> Path:
    """Write the report on MODEL[@CHECKPOINT] into a folder; return its page.

    Beside it are `data` (CSV), `figures`, `tables` (LaTeX) and `references.bib`. What there is nothing of is left out,
    and `progress` is told the commands that would make it. Without a checkpoint, that of the highest step that has
    activations. chosen: neurons (SITE/LAYER/NEURON) to describe. An earlier report in the folder is replaced.
    UsageError for a model, checkpoint or neuron that is not stored, a folder that holds something else, or one that
    cannot be written.
    """
    drawing.check()
    subject = subject_of(warehouse, model, chosen)
    try:
        earlier = _earlier_files(folder)
        parts = []
        writer = _Writer(folder)
        with progress.bar(f"report on {subject.label}", len(SECTIONS), "sections") as bar:
            for section in SECTIONS:
                parts.append(writer.section(section(subject)))
                bar.advance(1)
        lead = (
            f"What the neurons of {subject.model} do, at checkpoint {subject.checkpoint} where one is described, as a "
            f"neuron warehouse holds it (nwh {version('nwh')}). Every table and figure has its data in a file beside "
            "this page, and the SQL that made it, which nwh sql takes; tables are there as LaTeX too. Layers and "
            "neurons count from 0."
        )
        parts = [part for part in parts if part[1]]
        if cited := references.cited_in(" ".join(html for _, content in parts for html in content)):
            (folder / _BIBTEX).write_text(references.bibtex(cited), encoding="utf-8")
            writer.written.add(_BIBTEX)
            parts.append(("References", [page.references([work.text for work in cited], _BIBTEX)]))
        text = page.page(f"Neurons of {subject.model}", lead, parts)
        part = folder / f"{_PAGE}.part"
        part.write_text(text, encoding="utf-8")
        part.replace(folder / _PAGE)
        for path in earlier - writer.written:
            (folder / path).unlink(missing_ok=True)
        for note in dict.fromkeys(map(str, writer.missing)):
            progress.note(f"left out: {note}")
    except OSError as error:
        raise UsageError(f"cannot write the report into {folder}: {error.strerror}") from error
    return folder / _PAGE


def subject_of(warehouse: Warehouse, reference: str, chosen: Sequence[str] = ()) -> Subject:
    """Return what MODEL[@CHECKPOINT] names in a warehouse; UsageError, saying what there is, where it is not there."""
    named, label = split_checkpoint(reference)
    stored = {found["model"]: found["checkpoints"] for found in queries.home.models(warehouse).records}
    model = named if named in stored else short_name(named)
    if model not in stored:
        there = ", ".join(stored) or "none yet: `nwh ingest activations --model MODEL` adds one"
        raise UsageError(f"no model {named!r} in {warehouse.storage}; its models are {there}")
    if label and label not in stored[model]:
        raise UsageError(f"{model} has no checkpoint {label!r} here; it has {', '.join(stored[model])}")
    of_model = [extent for extent in queries.neurons.extents(warehouse) if extent.model == model]
    checkpoint = label or (of_model[-1].checkpoint if of_model else stored[model][-1])
    extents = {extent.site: extent for extent in of_model if extent.checkpoint == checkpoint}
    found = [parse_neuron(f"{model}@{checkpoint}/{name}") for name in chosen]
    for neuron in found:
        if neuron.site not in extents:
            raise UsageError(f"no neuron {neuron}: there are no activations of {model}@{checkpoint} at {neuron.site}")
        extents[neuron.site].check(neuron)
    series = [each for each in queries.knowledge.all_series(warehouse) if each.model == model]
    return Subject(warehouse, model, checkpoint, found, list(extents.values()), series)


def _earlier_files(folder: Path) -> set[str]:
    """Return the files of an earlier report in a folder; UsageError where it holds something else."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    before = folder / _PAGE
    text = before.read_text(encoding="utf-8", errors="replace") if before.is_file() else ""
    if page.MARK not in text[:1000]:
        raise UsageError(f"{folder} is there and is no earlier report: name another folder with --out")
    return set(_FILE.findall(text))


class _Writer:
    """Numbers tables and figures in reading order and writes their files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: set[str] = set()
        self.missing: list[Missing] = []
        self._n_tables = self._n_figures = 0
        for name in ("data", "figures", "tables"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    def section(self, section: Section) -> tuple[str, list[str]]:
        """Return a section's title and its content as HTML, nothing where there is none."""
        self.missing += [each for each in section.content if isinstance(each, Missing)]
        return section.title, [self._exhibit(each) for each in section.content if isinstance(each, Exhibit)]

    def _exhibit(self, shown: Exhibit) -> str:
        self._n_figures += bool(shown.charts)
        self._n_tables += not shown.charts
        label = f"Figure {self._n_figures}" if shown.charts else f"Table {self._n_tables}"
        name = f"{label.lower().replace(' ', '-')}-{_slug(shown.name)}"
        width = drawing.WIDE if len(shown.charts) == 1 else drawing.NARROW
        pictures, links = [], [f"data/{name}.csv"]
        with open(self.folder / links[0], "wb") as stream:
            write_rows(shown.facts.columns, shown.facts.rows, Format.csv, stream)
        for i, chart in enumerate(shown.charts):
            own = name if len(shown.charts) == 1 else f"{name}-{i + 1}"
            bare = drawing.untitled(chart) if len(shown.charts) == 1 else chart  # the caption says it
            picture = drawing.draw(bare, own, shown.title, width, len(shown.facts.rows) // len(shown.charts))
            pictures.append(picture)
            links.append(f"figures/{own}.{picture.suffix}")
            (self.folder / links[-1]).write_bytes(picture.content)
        if not shown.charts:
            links.append(f"tables/{name}.tex")
            caption = f"{shown.title}. {shown.about}"
            text = latex.table(caption, f"tab:{_slug(shown.name)}", *page.cells(shown))
            (self.folder / links[-1]).write_text(text, encoding="utf-8")
        self.written |= set(links)
        return page.exhibit(shown, label, pictures, links)


def _slug(name: str) -> str:
    """Return a name as part of a file's name: corpora joined by `+`, models and labels can be long."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name)[:80].strip("-")
