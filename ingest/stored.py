"""What a warehouse has of a model, for jobs that read it: checkpoints, sizes, sentences kept and counted."""

from __future__ import annotations

from collections.abc import Sequence

from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_checkpoint
from nwh.warehouse.storage.runs import Unit


def stored_model(warehouse: Warehouse, reference: str) -> str:
    """Return the stored model that a reference or a name stands for; UsageError where there is none."""
    known = [name for (name,) in warehouse.sql("select distinct model from checkpoints order by 1").fetchall()]
    if reference in known:
        return reference
    from nwh.ingest.models.references import model_name  # loads torch, which a stored name does not need

    if (name := model_name(reference)) in known:
        return name
    raise UsageError(
        f"no activations of model {reference!r} in {warehouse.storage}; there are {', '.join(known) or 'none'} "
        "(`nwh ingest activations` adds them)"
    )


def stored_checkpoints(warehouse: Warehouse, model: str, wanted: Sequence[str]) -> list[str]:
    """Return checkpoints of a model by step: those wanted, `main` if none, every one for `all`."""
    rows = warehouse.sql(
        "select checkpoint from checkpoints where model = $1 order by step nulls last, checkpoint", [model]
    ).fetchall()
    known = [name for (name,) in rows]
    if list(wanted) == ["all"]:
        return known
    names = list(wanted) or ["main"]
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"no checkpoint {model}@{unknown[0]} in {warehouse.storage}; there are {', '.join(known)}")
    return names


def stored_pairs(warehouse: Warehouse, reference: str, wanted: Sequence[str]) -> list[tuple[str, str]]:
    """Return model and checkpoint of those of a model's checkpoints that are wanted: see `stored_checkpoints`."""
    model = stored_model(warehouse, reference)
    return [(model, checkpoint) for checkpoint in stored_checkpoints(warehouse, model, wanted)]


def stored_reference(warehouse: Warehouse, reference: str) -> tuple[str, str]:
    """Return model and checkpoint that MODEL[@CHECKPOINT] names; UsageError where they are not stored."""
    name, label = split_checkpoint(reference)
    model = stored_model(warehouse, name)
    if label == "all":
        raise UsageError(f"{reference} names every checkpoint of {model}: name one")
    return model, stored_checkpoints(warehouse, model, [label] if label else [])[0]


def site_sizes(warehouse: Warehouse, model: str, checkpoint: str, sites: Sequence[str] = ()) -> dict[str, int]:
    """Return site -> neurons of a layer; UsageError where one of `sites`, or every site, is not stored."""
    stored = warehouse.sql(
        "select site, max(neuron) + 1 from neuron_stats where model = $1 and checkpoint = $2 "
        "group by site order by site desc",
        [model, checkpoint],
    ).fetchall()
    sizes = dict(stored)
    if missing := [site for site in sites if site not in sizes]:
        raise UsageError(
            f"no {missing[0]} activations of {model}@{checkpoint}; there are {', '.join(sizes) or 'none'} "
            f"(`nwh ingest activations --model … --site {missing[0]}` makes them)"
        )
    if not sizes:
        raise UsageError(f"no activations of {model}@{checkpoint}: `nwh ingest activations` makes them")
    return sizes


def stored_layers(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, corpora: Sequence[str]
) -> tuple[int, ...]:
    """Return the layers, ascending, that all of some corpora have: `--layer` may have chosen some.

    UsageError where they have none in common.
    """
    rows = warehouse.sql(
        "select layer from (select distinct layer, corpus from neuron_stats where model = $1 and checkpoint = $2 "
        "and site = $3 and list_contains($4, corpus)) group by layer having count(*) = $5 order by layer",
        [model, checkpoint, site, list(corpora), len(corpora)],
    ).fetchall()
    if corpora and not rows:
        raise UsageError(
            f"no layer of {model}@{checkpoint}/{site} is stored of all of {', '.join(corpora)}: `nwh ingest "
            "activations` with the same --layer for all of them, or name fewer with --corpus"
        )
    return tuple(layer for (layer,) in rows)


def kept_sentences(
    warehouse: Warehouse, model: str, checkpoint: str, site: str, pole: str, wanted: Sequence[str] = ()
) -> dict[str, int]:
    """Return corpus -> sentences kept of each neuron's pole; UsageError where one of the `wanted` has none."""
    kept = dict(
        warehouse.sql(
            "select corpus, max(rank) from neuron_topk where model = $1 and checkpoint = $2 and site = $3 "
            "and pole = $4 and neuron = 0 group by corpus",
            [model, checkpoint, site, pole],
        ).fetchall()
    )
    for corpus in wanted:
        if corpus not in kept:
            raise UsageError(
                f"corpus {corpus!r} has no {pole} sentences of {model}@{checkpoint}/{site}; there are those of "
                f"{', '.join(sorted(kept)) or 'none'}: `nwh ingest activations --corpus {corpus}` makes them"
            )
    return kept


def counted_sentences(warehouse: Warehouse, model: str, checkpoint: str) -> dict[str, int]:
    """Return corpus -> sentences that counted for the model: those of at least 3 tokens."""
    return dict(
        warehouse.sql(
            "select corpus, n_sentences from corpus_sizes where model = $1 and checkpoint = $2", [model, checkpoint]
        ).fetchall()
    )


def source_run(warehouse: Warehouse, job: str, unit: Unit, site: str) -> str | None:
    """Return the run of a job that stored a corpus's rows (of this site, where it has sites), null if unknown."""
    found = warehouse.units.stored(job, unit, site)
    return None if found is None else found.run_id
