"""What a neuron did on the sampled sentences: rows of neuron_samples, and whether it follows their length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nwh.ingest.sample import Sample


def sample_rows(sample: Sample, layer: int) -> dict[str, Any]:
    """Return a layer's rows of neuron_samples: activation_sample turned round. Nothing where it is empty."""
    if not len(sample.ids):
        return {}
    activations = np.ascontiguousarray(sample.activations.T)  # [neurons, sentences]
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


def length_r2(sample: Sample, neurons: NDArray[np.int32]) -> pa.Array:
    """Return the squared correlation of activation and number of tokens of some neurons of a layer, null without."""
    r2 = np.full(len(neurons), np.nan)
    if len(sample.ids):
        lengths = sample.n_tokens - sample.n_tokens.mean()
        activations = sample.activations[:, neurons].astype(np.float64)
        activations -= activations.mean(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = (lengths @ activations) ** 2 / ((lengths @ lengths) * np.einsum("ij,ij->j", activations, activations))
    return pa.array(r2, mask=~np.isfinite(r2))
