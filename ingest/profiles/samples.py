"""What a neuron did on the sampled sentences: rows of neuron_samples, and whether it follows their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.warehouse import Warehouse
from nwh.warehouse.storage.runs import Unit


def sample_rows(warehouse: Warehouse, unit: Unit, layer: int) -> dict[str, Any]:
    """Return a layer's rows of neuron_samples: activation_sample turned round. Nothing where it is empty."""
    _, sampled = _sampled(warehouse, unit, layer)
    if not len(sampled):
        return {}
    activations = np.ascontiguousarray(sampled.T)  # [neurons, sentences]
    n_neurons, n = activations.shape
    exact = activations.astype(np.float64)  # enough for the sum of equal values to be exact: their std is 0
    return {
        "layer": np.full(n_neurons, layer, np.int16),
        "neuron": np.arange(n_neurons, dtype=np.int32),
        "n_sampled": np.full(n_neurons, n, np.int32),
        "mean": exact.mean(axis=1),
        "std": exact.std(axis=1),
        "activations": pa.ListArray.from_arrays(
            np.arange(n_neurons + 1, dtype=np.int32) * n, pa.array(activations.ravel())
        ),
    }


def length_r2(warehouse: Warehouse, unit: Unit, layer: int, neurons: NDArray[np.int32]) -> pa.Array:
    """Return the squared correlation of activation and number of tokens of some neurons of a layer, null without."""
    lengths, sampled = _sampled(warehouse, unit, layer)
    r2 = np.full(len(neurons), np.nan)
    if len(lengths):
        lengths = lengths - lengths.mean()
        activations = sampled[:, neurons].astype(np.float64)
        activations -= activations.mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = (lengths @ activations) ** 2 / ((lengths @ lengths) * np.einsum("ij,ij->j", activations, activations))
    return pa.array(r2, mask=~np.isfinite(r2))


def _sampled(warehouse: Warehouse, unit: Unit, layer: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return how many tokens the sampled sentences have, [sentences], and their activations, [sentences, neurons]."""
    where = " and ".join(f"sample.{name} = ${name}" for name in unit)
    rows = warehouse.sql(
        "select tokens.n_tokens, sample.activations from activation_sample as sample inner join sentence_tokens as "
        "tokens using (model, checkpoint, corpus, sentence_id) "
        f"where {where} and sample.layer = $layer order by sample.sentence_id",
        {**unit, "layer": layer},
    ).to_arrow_table()
    flat = pa.chunked_array(rows["activations"].chunks, pa.list_(pa.float32())).combine_chunks().flatten()
    activations = flat.to_numpy(zero_copy_only=False).reshape(rows.num_rows, -1 if rows.num_rows else 0)
    return rows["n_tokens"].to_numpy().astype(np.float64), activations
