"""Questions of both studies in polars, over a warehouse's facts and views: a marimo notebook.

`marimo edit docs/studies_in_polars.py` opens it, over the warehouse that $NWH_WAREHOUSE names (else ./nwh-data).
"""

import marimo

app = marimo.App(width="medium")


@app.cell
def _():
    import polars as pl

    from nwh import Warehouse

    warehouse = Warehouse.open()
    warehouse.view("corpora").select("corpus", "n_documents", "n_sentences").collect()
    return pl, warehouse


@app.cell
def _(pl, warehouse):
    # Typical words of a neuron (Oba et al. 2021, table 2): of each class the five of highest G2 among those that are in
    # three of its top sentences and 3 % of them, more frequent than elsewhere, with a q-value of at most 0.05. Of forms
    # that differ in case alone the one of highest G2 stands for all.
    neuron = ["model", "checkpoint", "site", "corpus", "annotator", "layer", "neuron"]
    typical_words = (
        warehouse.scan("neuron_words")
        .filter(pl.col("pole") == "top", pl.col("lift") > 1, pl.col("q_value") <= 0.05)
        .filter(pl.col("support") >= 3, pl.col("support") >= 0.03 * pl.col("k"))
        .sort("g2", "word", descending=[True, False])
        .with_columns(form=pl.col("word").str.to_lowercase())
        .unique([*neuron, "class", "form"], keep="first", maintain_order=True)
        .group_by(*neuron, "class", maintain_order=True)
        .agg(pl.col("word", "lift", "g2").head(5))
        .collect()
    )
    typical_words
    return (typical_words,)


@app.cell
def _(pl, warehouse):
    # Stability over training (Ariyama 2024, figure 19): which of a concept's contributing neurons at the last
    # checkpoint contribute at each other one.
    concept = ["model", "dataset", "concept"]
    contributing = warehouse.view("knowledge_neurons").select(*concept, "checkpoint", "layer", "neuron")
    last = warehouse.view("last_checkpoints").select("model", "dataset", last="checkpoint")
    at_last = (
        contributing.join(last, on=["model", "dataset"])
        .filter(pl.col("checkpoint") == pl.col("last"))
        .select(*concept, "layer", "neuron", shared=pl.lit(1))
    )
    counts = (
        contributing.join(at_last, on=[*concept, "layer", "neuron"], how="left")
        .group_by(*concept, "checkpoint")
        .agg(n_neurons=pl.len(), n_shared=pl.col("shared").sum())
    )
    stability = (
        warehouse.view("concept_scores")
        .select(*concept, "checkpoint", "step")
        .join(last, on=["model", "dataset"])
        .join(counts, on=[*concept, "checkpoint"], how="left")
        .with_columns(pl.col("n_neurons", "n_shared").fill_null(0))
        .with_columns(
            n_reference=pl.col("n_neurons").filter(pl.col("checkpoint") == pl.col("last")).first().over(concept)
        )
        .filter(pl.col("n_reference").is_not_null())
        .with_columns(
            share_found=pl.when(pl.col("n_reference") > 0).then(pl.col("n_shared") / pl.col("n_reference")),
        )
        .sort(*concept, "step", "checkpoint")
        .collect()
    )
    stability.group_by("model", "dataset", "step", maintain_order=True).agg(pl.col("share_found").mean())
    return (stability,)


@app.cell
def _(pl, warehouse):
    # Do frequent words come earlier (figures 20 to 22)? Spearman's correlation of a concept's frequency, by each
    # source of it, with the step at which it is acquired; what is never acquired comes last.
    frequency_correlation = (
        warehouse.view("acquisition")
        .filter(pl.col("n_checkpoints") > 0)
        .join(warehouse.view("frequencies"), on=["dataset", "concept"])
        .filter(pl.col("frequency").is_not_null())
        .with_columns(acquired=pl.col("step").cast(pl.Float64).fill_null(float("inf")))
        .group_by("model", "dataset", "frequency_source")
        .agg(n=pl.len(), correlation=pl.corr("frequency", "acquired", method="spearman"))
        .sort("model", "dataset", "frequency_source")
        .collect()
    )
    frequency_correlation
    return (frequency_correlation,)


if __name__ == "__main__":
    app.run()
