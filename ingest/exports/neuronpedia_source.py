"""The rows of one source of Neuronpedia: a layer of a site, with the fields of the tables that its importer fills.

They are those of prisma/schema.prisma and utils/neuronpedia-utils of hijohnnylin/neuronpedia.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np

from nwh.ingest.activations import live_activations
from nwh.ingest.models.hook_points import hook_points
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.progress import Progress
from nwh.warehouse.queries.answers import OF_SITE, ask
from nwh.warehouse.queries.neurons import Extent

CREATOR = "clkht01d40000jv08hvalcvly"
"""The user that a new local copy of Neuronpedia has (apps/webapp/prisma/seed.ts): what is imported must have one."""
_BINS = 50
_TOKENS = 10  # at either end
_RELEASE = "nwh"
_OF_LAYER = f"{OF_SITE} and layer = $layer and list_contains($corpora, corpus)"


@dataclass(frozen=True)
class Source:
    """A layer of a site. k: top sentences of each neuron."""

    warehouse: Warehouse
    extent: Extent
    layer: int
    corpora: tuple[str, ...]
    k: int

    @property
    def model_id(self) -> str:
        """Neuronpedia's name of the checkpoint."""
        extent = self.extent
        return extent.model if extent.checkpoint == "main" else f"{extent.model}-{extent.checkpoint}"

    @property
    def set(self) -> str:
        """Its set of sources: all layers of the site."""
        return f"nwh-{self.extent.site}"

    @property
    def id(self) -> str:
        """Its name: layer and set."""
        return f"{self.layer}-{self.set}"

    @property
    def params(self) -> dict[str, Any]:
        """The place as named SQL parameters."""
        place = {name: getattr(self.extent, name) for name in ("model", "checkpoint", "site")}
        return {**place, "layer": self.layer, "corpora": list(self.corpora)}

    @property
    def _checkpoint(self) -> dict[str, Any]:
        return ask(
            self.warehouse,
            "select d_model, family, family_description from checkpoints "
            "where model = $model and checkpoint = $checkpoint",
            model=self.extent.model,
            checkpoint=self.extent.checkpoint,
        ).records[0]

    def about(self) -> dict[str, dict[str, Any]]:
        """Return the rows of model, release, set of sources and source, by the name of their file."""
        extent, over = self.extent, ", ".join(self.corpora)
        n = ask(
            self.warehouse, f"select max(n) as n from neuron_stats where {_OF_LAYER} group by corpus", **self.params
        )
        what = "feed-forward neurons" if extent.site == "ffn" else "dimensions of the residual stream"
        about = f"{what} of {extent.model}@{extent.checkpoint} over {over}"
        same = {"creatorId": CREATOR, "visibility": "PUBLIC"}
        return {
            "model": {
                **same,
                "id": self.model_id,
                "instruct": False,
                "displayName": self.model_id,
                "displayNameShort": self.model_id,
                "dimension": self._checkpoint["d_model"],
                "layers": extent.n_layers,
                "neuronsPerLayer": extent.n_neurons,
                "inferenceEnabled": False,
                "owner": "",
            },
            "release": {
                **same,
                "name": _RELEASE,
                "description": "Neurons of language models, exported by nwh",
                "creatorName": "nwh",
                "urls": [],
                "isNewUi": False,
                "featured": False,
            },
            "sourceset": {
                **same,
                "modelId": self.model_id,
                "name": self.set,
                "hasDashboards": True,
                "description": about,
                "type": "neurons",
                "creatorName": "nwh",
                "urls": [],
                "releaseName": _RELEASE,
            },
            "source": {
                **same,
                "id": self.id,
                "modelId": self.model_id,
                "setName": self.set,
                "hasDashboards": True,
                "inferenceEnabled": False,
                "dataset": over,
                "num_prompts": sum(size for (size,) in n.rows),
                "notes": "frac_nonzero and the histogram are of sentences, whose activation is that of their tokens "
                "taken together; values are of single tokens",
            },
        }

    def features(self, neurons: Sequence[int], progress: Progress) -> list[dict[str, Any]]:
        """Return a row for each neuron: how its activations are distributed, which tokens it raises and lowers."""
        stats = self._ask(
            "select neuron, max(coalesce(max_token, max)) as highest, sum(n * share_positive) / sum(n) as positive, "
            "list(histogram_edges order by corpus) as edges, list(histogram_counts order by corpus) as counts "
            f"from neuron_stats where {_OF_LAYER} and neuron between $first and $last group by neuron order by neuron",
            neurons,
        )
        tokens = self._output_tokens(neurons, progress)
        of_checkpoint = self._checkpoint
        of_family = hook_points(of_checkpoint["family"], of_checkpoint["family_description"])
        hook = of_family[f"{self.extent.site}_hooks"][0].format(layer=self.layer)  # TransformerLens's
        rows = []
        for row in stats:
            centres, heights = _united(row["edges"], row["counts"])
            raised, lowered = tokens.get(row["neuron"], ([], []))
            rows.append(
                {
                    **self._key(row["neuron"]),
                    "creatorId": CREATOR,
                    "sourceSetName": self.set,
                    "maxActApprox": row["highest"],
                    "frac_nonzero": row["positive"],
                    "freq_hist_data_bar_heights": heights,
                    "freq_hist_data_bar_values": centres,
                    "pos_str": [token for token, _ in raised],
                    "pos_values": [value for _, value in raised],
                    "neg_str": [token for token, _ in lowered],
                    "neg_values": [value for _, value in lowered],
                    "hookName": hook,
                    "hasVector": False,
                }
            )
        return rows

    def _output_tokens(self, neurons: Sequence[int], progress: Progress) -> dict[int, tuple[Any, Any]]:
        """Return neuron -> tokens that it raises and lowers, with the changes; nothing where it names none."""
        one = Neuron(self.extent.model, self.extent.checkpoint, self.extent.site, self.layer, neurons[0])
        try:
            found = live_activations.layer_output_tokens(self.warehouse, one, neurons, _TOKENS, download=True)
        except UsageError as error:
            if self.extent.site == "ffn" and self.layer == 0:
                progress.note(f"no output tokens are exported: {error}")
            return {}
        return {neuron: (of.positive, of.negative) for neuron, of in zip(neurons, found, strict=True)}

    def activations(self, neurons: Sequence[int]) -> list[dict[str, Any]]:
        """Return a row for each top sentence of each neuron: its tokens, and the activation at each."""
        top = self._ask(
            f"select neuron, corpus, sentence_id, text from top_sentences($corpora, $k) where {OF_SITE} "
            "and layer = $layer and pole = 'top' and neuron between $first and $last order by neuron, rank",
            neurons,
            k=self.k,
        )
        texts = list(dict.fromkeys(row["text"] for row in top))
        of_text: dict[str, list[int]] = {text: [] for text in texts}
        for row in top:
            if row["neuron"] not in of_text[row["text"]]:
                of_text[row["text"]].append(row["neuron"])
        extent = self.extent
        found = live_activations.layer_activations(
            self.warehouse, extent.model, extent.checkpoint, extent.site, self.layer, texts, list(of_text.values())
        )
        read = {
            (text, neuron): one
            for text, some in zip(texts, found, strict=True)
            for neuron, one in zip(of_text[text], some, strict=True)
        }
        rows = []
        for row in top:
            one = read[row["text"], row["neuron"]]
            tokens, values, end = [], [], 0
            for (start, stop), special, value in zip(one.spans, one.special, one.activations, strict=True):
                if not special and stop > start:
                    tokens.append(row["text"][min(end, start) : stop])
                    values.append(value)
                    end = stop
            if values:
                rows.append(
                    {
                        **self._key(row["neuron"]),
                        "id": _identifier(self.model_id, self.id, row["neuron"], row["sentence_id"]),
                        "creatorId": CREATOR,
                        "dataSource": row["corpus"],
                        "dataIndex": str(row["sentence_id"]),
                        "tokens": tokens,
                        "values": values,
                        "maxValue": max(values),
                        "maxValueTokenIndex": int(np.argmax(values)),
                        "minValue": min(values),
                    }
                )
        return rows

    def explanations(self, neurons: Sequence[int]) -> list[dict[str, Any]]:
        """Return a row for each stored explanation."""
        place = {name: value for name, value in self.params.items() if name != "corpora"}
        found = ask(
            self.warehouse,
            "select neuron, source, place, explanation, auroc, control_auroc, judge from neuron_explanations "
            f"where {OF_SITE} and layer = $layer and neuron between $first and $last order by neuron, source, place",
            **place,
            first=neurons[0],
            last=neurons[-1],
        )
        return [
            {
                **self._key(row["neuron"]),
                "id": _identifier(self.model_id, self.id, row["neuron"], row["source"], row["place"]),
                "authorId": CREATOR,
                "description": row["explanation"],
                "notes": _notes(row),
            }
            for row in found.records
        ]

    def _ask(self, query: str, neurons: Sequence[int], **params: Any) -> list[dict[str, Any]]:
        return ask(self.warehouse, query, **self.params, first=neurons[0], last=neurons[-1], **params).records

    def _key(self, neuron: int) -> dict[str, str]:
        return {"modelId": self.model_id, "layer": self.id, "index": str(neuron)}


def _notes(row: dict[str, Any]) -> str:
    """Return where an explanation is from, and its score."""
    control = "" if row["control_auroc"] is None else f" (of another neuron's {row['control_auroc']:.3f})"
    score = "" if row["auroc"] is None else f"; detection AUROC {row['auroc']:.3f}{control}, judge {row['judge']}"
    return f"from {row['source']}{score}"


def _identifier(*parts: Any) -> str:
    """Return an identifier of 25 letters and digits that begins with c, the same for the same row."""
    return f"c{sha256(repr(parts).encode()).hexdigest()[:24]}"


def _united(edges: Sequence[Sequence[float]], counts: Sequence[Sequence[int]]) -> tuple[list[float], list[float]]:
    """Return middles and heights of 50 equal bins over histograms, each of whose bins is taken as evenly filled."""
    low, high = min(each[0] for each in edges), max(each[-1] for each in edges)
    if low == high:
        return [low], [float(sum(map(sum, counts)))]
    grid = np.linspace(low, high, _BINS + 1)
    below = np.zeros(_BINS + 1)
    for of_corpus, heights in zip(edges, counts, strict=True):
        below += np.interp(grid, of_corpus, np.concatenate([[0], np.cumsum(heights)]))
    return ((grid[1:] + grid[:-1]) / 2).tolist(), np.diff(below).tolist()
