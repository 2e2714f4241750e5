"""Job `explanations`: what neurons respond to in words, made of half of the sentences and judged on the other half.

Reads neuron_topk, sentence_tokens, sentences, sentence_metadata, neuron_patterns; writes explanations and
explanation_judgements. The unit is (model, checkpoint, site, source). A run over some layers or neurons replaces their
rows and keeps the others'; one from a file replaces all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from nwh.ingest.explanations.chat import ChatExplainer, ChatJudge
from nwh.ingest.explanations.halves import ExplanationSettings, Halves, read_ground
from nwh.ingest.explanations.published import Published, read_published
from nwh.ingest.explanations.rows import Explainer, Judge, explained, explanation_rows
from nwh.ingest.explanations.template import Template
from nwh.ingest.explanations.words_judge import WordsJudge
from nwh.ingest.explanations.work import Work
from nwh.ingest.job import run_each, run_once
from nwh.ingest.scope import Scope
from nwh.ingest.stored import site_sizes
from nwh.ingest.wanted import Wanted, wanted_neurons
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import SourceError, UsageError
from nwh.warehouse.names import check_name, short_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.runs import Run

if TYPE_CHECKING:
    from nwh.ingest.explanations.chat import Chat

JUDGES = ("words", "chat")
_BLOCK, _CHAT_BLOCK = 256, 8  # neurons done together


def ingest_explanations(
    warehouse: Warehouse,
    model: str,
    checkpoint: str,
    settings: ExplanationSettings,
    *,
    chat: Chat | None = None,
    template: bool = True,
    judge: str = "words",
    source: str | None = None,
    corpora: Sequence[str] = (),
    sites: Sequence[str] = (),
    layers: Sequence[int] = (),
    neurons: Sequence[int] = (),
    again: bool = False,
    progress: Progress = SILENT,
) -> list[Run]:
    """Explain neurons, judge the explanations, store both; return the runs, one per site that is not yet done.

    model, checkpoint: as they are stored; empty lists mean all there are. template: whether that explains, or `chat`
    does. judge: `words`, or `chat`. source: what the explanations are called; `template` or the chat model's name if
    not given. again: see `ingest.job.run_once`. UsageError, before any work, for what is not stored and for settings
    that cannot be.
    """
    _check(judge, chat, template)
    tasks = []
    for site in sites or site_sizes(warehouse, model, checkpoint):
        ground = read_ground(warehouse, model, checkpoint, site, corpora)
        halves = Halves(warehouse, ground, settings)
        explainer: Explainer = ChatExplainer(chat, halves) if chat and not template else Template(warehouse, halves)
        judging = _judge(judge, chat, halves)
        named = check_name("source", source or short_name(explainer.name))
        unit = {"model": model, "checkpoint": checkpoint, "site": site, "source": named}
        about = {**judging.about, **explainer.about}
        described = {
            **_described(unit, settings, halves),
            **about,
            "sources": {**_sources(ground), "patterns": about.get("patterns", [])},
        }
        work = Work(
            warehouse,
            unit,
            described,
            partial(explained, halves, explainer),
            judging,
            wanted_neurons(str(ground), ground.layers, ground.n_neurons, layers, neurons),
            _BLOCK if template and judge == "words" else _CHAT_BLOCK,
            True,
            progress,
        )
        tasks.append(work.task)
    return run_each(warehouse, tasks, again=again, progress=progress)


def ingest_published_explanations(
    warehouse: Warehouse,
    file: str,
    settings: ExplanationSettings,
    *,
    model: str,
    checkpoint: str = "main",
    site: str = "ffn",
    chat: Chat | None = None,
    judge: str = "words",
    source: str | None = None,
    corpora: Sequence[str] = (),
    again: bool = False,
    progress: Progress = SILENT,
) -> Run | None:
    """Store explanations that others published, judged where there are activations of the model; return the run.

    file: see `read_published`. model: a reference or a name as relations have it; the model itself is not needed.
    source: `neuronpedia` or `openai`, by the file's form, if not given. Numbers are checked against the model's layers
    and width where its checkpoint is stored. UsageError and SourceError before a row is written.
    """
    _check(judge, chat, template=True)
    form, found = read_published(file)
    unit = {
        "model": short_name(model),
        "checkpoint": check_name("checkpoint", checkpoint),
        "site": site,
        "source": check_name("source", source or form),
    }
    _check_places(warehouse, unit, file, found)
    ground = None
    if corpora or warehouse.partitions("neuron_topk", {name: unit[name] for name in ("model", "checkpoint", "site")}):
        ground = read_ground(warehouse, unit["model"], checkpoint, site, corpora)
    else:
        progress.note(f"no {site} activations of {unit['model']}@{checkpoint} are stored: nothing is judged")
    halves = None if ground is None else Halves(warehouse, ground, settings)
    judging = None if halves is None else _judge(judge, chat, halves)
    digest = sha256(repr(found).encode()).hexdigest()
    described = {**_described(unit, settings, halves), "from-json": file, "source_sha256": digest}
    described |= {} if judging is None else judging.about
    described.pop("from", None)  # where the judge runs: `chat` and `url` say it
    wanted: Wanted = {}
    for each in found:
        if each.neuron not in (of_layer := wanted.setdefault(each.layer, [])):
            of_layer.append(each.neuron)
    block = _CHAT_BLOCK if judge == "chat" else _BLOCK
    rows = partial(_published_rows, found, None if ground is None else ground.name)
    work = Work(warehouse, unit, described, rows, judging, wanted, block, False, progress)
    return run_once(warehouse, work.task, again=again, progress=progress)


def _check(judge: str, chat: Chat | None, template: bool) -> None:
    if judge not in JUDGES:
        raise UsageError(f"judge {judge!r} is not known: use {' or '.join(JUDGES)}")
    if chat is None and (judge == "chat" or not template):
        raise UsageError("no chat model is named: --chat names it, with --url where a server has it")


def _judge(name: str, chat: Chat | None, halves: Halves) -> Judge:
    return ChatJudge(chat, halves) if name == "chat" and chat else WordsJudge(halves)


def _described(unit: dict[str, str], settings: ExplanationSettings, halves: Halves | None) -> dict[str, Any]:
    read = {} if halves is None else {"scope": halves.ground.name, "k": halves.k, "sources": _sources(halves.ground)}
    return {**unit, "as": unit["source"], **asdict(settings), **read}


def _sources(ground: Scope) -> dict[str, list[str | None]]:
    return {corpus: [run] for corpus, run in ground.sources.items()}


def _check_places(warehouse: Warehouse, unit: dict[str, str], file: str, found: Sequence[Published]) -> None:
    sizes = warehouse.sql(
        "select n_layers, if($site = 'ffn', d_ffn, d_model) from checkpoints where model = $model "
        "and checkpoint = $checkpoint",
        {name: unit[name] for name in ("model", "checkpoint", "site")},
    ).fetchall()
    for n_layers, n_neurons in sizes:
        for each in found:
            if each.layer >= n_layers or each.neuron >= n_neurons:
                raise SourceError(
                    f"{file} explains {each.layer}/{each.neuron}: {unit['model']}@{unit['checkpoint']} has {n_layers} "
                    f"layers of {n_neurons:,} neurons at {unit['site']}"
                )


def _published_rows(found: Sequence[Published], scope: str | None, layer: int, neurons: list[int]) -> pa.Table:
    rows: list[dict[str, Any]] = []
    for each in found:
        if each.layer == layer and each.neuron in neurons:
            last = rows[-1] if rows and rows[-1]["neuron"] == each.neuron else {"place": 0}
            rows.append(
                {
                    "layer": layer,
                    "neuron": each.neuron,
                    "place": last["place"] + 1,
                    "explanation": each.explanation,
                    "explainer": each.explainer,
                    "method": each.method,
                    "scope": scope,
                    "published_score": each.score,
                    "published_score_kind": each.score_kind,
                }
            )
    return explanation_rows(rows)
