"""Random rows of figures, clusters, matches and distances, as the jobs would store them."""

from __future__ import annotations

from math import sin
from pathlib import Path
from random import Random

from nwh.ingest.profiles.job import ingest_profiles
from nwh.warehouse import Warehouse
from tests.sql.knowledge_rows import HOOKS, columns

LAYERS, WIDTHS = 3, {"hidden": 12, "ffn": 15}
CORPORA = {"news": 40, "tweets": 30}
HOSTILE = "<b>x</b> **y** $z$"
SCOPES = ("news", "news+tweets")
PAIR = ("base", "main", "tuned", "step9")
SETS = {("news", "train"): 40, ("news", "test"): 20, ("tweets", "all"): 30}
K, GROUPS, TOP = (2, 5, 10), 3, 8


class Rows:
    """Rows by what they are of: `stats[model, site, corpus]`, `clusters[site, scope]`, `moved[corpus, split]` …

    Neuron (0, 0) of site hidden has no top sentences that differ; neuron (1, 3) is constant and has no partner.
    """

    def __init__(self, seed: int = 0) -> None:
        random = Random(seed)
        self.tokens: dict[str, dict[int, int]] = {}
        self.topics: dict[str, dict[int, str]] = {}
        for base, (corpus, n) in zip((1000, 2000), CORPORA.items(), strict=True):
            ids = range(base, base + n)
            self.tokens[corpus] = {i: random.randint(3, 30) for i in ids}
            self.topics[corpus] = {i: random.choice(["money", "money", "sport", HOSTILE]) for i in ids}
        self.stats, self.top = {}, {}
        for model in ("base", "tuned"):
            for site in WIDTHS:
                for corpus in CORPORA:
                    self._neurons(random, (model, site, corpus))
        self.clusters, self.curves = {}, {}
        for site, width in WIDTHS.items():
            for scope in SCOPES:
                self.clusters[site, scope] = [
                    (layer, neuron, GROUPS, neuron % GROUPS, random.gauss(0, 9), random.gauss(0, 9))
                    for layer in range(LAYERS)
                    for neuron in range(width)
                ]
                self.curves[site, scope] = [
                    (layer, k, (layer + 1) * 100 / k + random.random(), 50) for layer in range(LAYERS) for k in K
                ]
        self.matches = []
        for layer, neuron in _places("hidden"):
            best, rotated = random.uniform(-0.1, 1), random.uniform(0, 0.6)
            partner = random.randrange(LAYERS), random.randrange(WIDTHS["hidden"])
            row = (*partner, 1.0 if (layer, neuron) == (0, 1) else best, rotated)
            self.matches.append((layer, neuron, *(row if (layer, neuron) != (1, 3) else [None] * 4), 60))
        self.distances = {of_set: (n, random.uniform(20, 90), random.uniform(2, 9)) for of_set, n in SETS.items()}
        self.by_layer = {
            of_set: [(layer, random.uniform(5, 30), random.uniform(1, 5)) for layer in range(LAYERS)] for of_set in SETS
        }
        self.moved = {
            of_set: [
                (*place, random.gauss(0, 1), random.random(), random.uniform(0.1, 2)) for place in _places("hidden")
            ]
            for of_set in SETS
        }

    def _neurons(self, random: Random, unit: tuple[str, str, str]) -> None:
        _, site, corpus = unit
        self.stats[unit] = {place: random.gauss(0, 1) for place in _places(site)}
        self.top[unit] = {
            place: (random.sample(sorted(self.tokens[corpus]), TOP), place == (0, 0) and site == "hidden")
            for place in _places(site)
        }

    def write(self, folder: Path) -> Warehouse:
        """Write all rows through the runs of a new warehouse."""
        made = Warehouse.create(folder)
        with made.run("across", {"model": "all"}, {}) as run:
            for corpus, tokens in self.tokens.items():
                self._text(run, corpus, tokens)
            for model, checkpoint in (PAIR[:2], PAIR[2:]):
                run.write("checkpoints", {"model": model, "checkpoint": checkpoint}, _described())
                for corpus, tokens in self.tokens.items():
                    place = {"model": model, "checkpoint": checkpoint, "corpus": corpus}
                    run.write("sentence_tokens", place, columns(("sentence_id", "n_tokens"), tokens.items()))
                    for site in WIDTHS:
                        self._activations(run, {**place, "site": site})
            self._groups(run)
            self._comparison(run)
        ingest_profiles(made)
        return made

    def _text(self, run, corpus, tokens):
        about = {"source": ["here"], "n_documents": [1], "n_sentences": [len(tokens)], "settings": ["{}"]}
        run.write("corpora", {"corpus": corpus}, about)
        names = ("sentence_id", "doc_id", "position", "text", "n_words")
        rows = [(i, "d", i, f"{HOSTILE} {i}", n) for i, n in tokens.items()]
        run.write("sentences", {"corpus": corpus}, columns(names, rows))
        rows = [(i, "topic", topic) for i, topic in self.topics[corpus].items()]
        run.write("sentence_metadata", {"corpus": corpus}, columns(("sentence_id", "key", "value"), rows))
        if corpus == "tweets":
            names = ("sentence_id", "words", "tags", "tree", "tree_kind")
            rows = [(i, ["it", "is"], ["PRP", "VBZ"], None, None) for i in tokens]
            run.write("annotations", {"corpus": corpus, "annotator": "hand"}, columns(names, rows))

    def _activations(self, run, place):
        unit = place["model"], place["site"], place["corpus"]
        names = (
            "layer",
            "neuron",
            "n",
            "mean",
            "std",
            "min",
            "max",
            "max_token",
            "skewness",
            "kurtosis",
            "share_positive",
        )
        names += ("histogram_edges", "histogram_counts", "quantile_levels", "quantiles", "resolution")
        n = CORPORA[place["corpus"]]
        figures = (1.0, -3.0, 3.0, 4.0, 0.0, 0.0, 0.5, [0.0] * 65, [0] * 64, [0.0] * 7, [0.0] * 7, 0.1)
        rows = [(*where, n, mean, *figures) for where, mean in self.stats[unit].items()]
        run.write("neuron_stats", place, columns(names, rows))
        names = ("layer", "neuron", "pole", "rank", "sentence_id", "activation", "token_position")
        rows = [
            (*where, "top", rank, sentence, 1.0 if ties else 9.0 - rank, None)
            for where, (sentences, ties) in self.top[unit].items()
            for rank, sentence in enumerate(sentences, 1)
        ]
        run.write("neuron_topk", place, columns(names, rows))

    def _groups(self, run):
        for (site, scope), rows in self.clusters.items():
            place = {"model": "base", "checkpoint": "main", "site": site, "scope": scope}
            names = ("layer", "neuron", "k", "cluster", "x", "y")
            run.write("neuron_clusters", place, columns(names, rows))
            names = ("layer", "k", "sse", "n_vectors")
            run.write("layer_clusters", place, columns(names, self.curves[site, scope]))
        # the neurons of cluster 1 of layer 0 share a pattern; one of another cluster has it too
        place = {
            "model": "base",
            "checkpoint": "main",
            "site": "hidden",
            "scope": "news",
            "kind": "word",
            "pole": "top",
        }
        having = [row[:2] for row in self.clusters["hidden", "news"] if row[0] == 0 and row[3] == 1] + [(0, 0)]
        names = (
            "layer",
            "neuron",
            "pattern",
            "pattern_text",
            "length",
            "support",
            "k",
            "corpus_support",
            "n_sentences",
        )
        names += ("lift", "g2", "p_value", "q_value", "mined_support", "mined_k", "mined_lift", "mined_g2")
        names += ("mined_q_value", "heldout_auroc", "auroc", "sample_support", "n_sampled", "annotator")
        figures = (
            f"{HOSTILE} it",
            2,
            6,
            TOP,
            7,
            40,
            4.0,
            20.0,
            1e-5,
            1e-4,
            3,
            4,
            4.0,
            10.0,
            1e-2,
            0.9,
            0.8,
            9,
            99,
            "hand",
        )
        run.write("neuron_patterns", place, columns(names, [(*each, [HOSTILE, "it"], *figures) for each in having]))

    def _comparison(self, run):
        pair = dict(zip(("model_before", "checkpoint_before", "model_after", "checkpoint_after"), PAIR, strict=True))
        for corpus in CORPORA:
            place, splits = {**pair, "corpus": corpus}, [split for name, split in SETS if name == corpus]
            rows = [(split, *self.distances[corpus, split]) for split in splits]
            run.write("checkpoint_distances", place, columns(("split", "n_sentences", "manhattan", "euclidean"), rows))
            rows = [(split, *row) for split in splits for row in self.by_layer[corpus, split]]
            run.write("layer_distances", place, columns(("split", "layer", "manhattan", "euclidean"), rows))
            names = ("split", "layer", "neuron", "mean_change", "mean_absolute_change", "std_before")
            rows = [(split, *row) for split in splits for row in self.moved[corpus, split]]
            run.write("neuron_distances", place, columns(names, rows))
        place = dict(zip(("model", "checkpoint", "other_model", "other_checkpoint"), PAIR, strict=True))
        names = ("layer", "neuron", "other_layer", "other_neuron", "correlation", "rotated_correlation", "n_sentences")
        run.write("neuron_matches", {**place, "site": "hidden", "scope": "news"}, columns(names, self.matches))


def write_with_sample(folder: Path) -> Warehouse:
    """Write all rows, two more patterns that detectors fire on, and sampled activations of base@main/hidden."""
    place = dict(zip(("model", "checkpoint", "site"), (*PAIR[:2], "hidden"), strict=True))
    made = Rows().write(folder)
    unit = {**place, "scope": "news+tweets", "kind": "word", "pole": "top"}
    with made.run("more", unit, {}) as run:  # a word and a sequence that detectors fire on
        rows = made.sql("select * from neuron_patterns").pl().head(2)
        columns = rows.drop(*unit).to_dict(as_series=False)
        columns |= {"length": [1, 2], "support": [7, 8], "pattern": [["it"], ["it", "is"]]}
        run.write("neuron_patterns", unit, {**columns, "pattern_text": ["it", "it is"]})
    for corpus, tokens in Rows().tokens.items():
        unit = {**place, "corpus": corpus}
        ids = sorted(tokens)
        with made.run("sample", unit, {}) as run:
            values = [
                [tokens[i] + layer * (i % 3), 0.0, *(sin(i * neuron + layer) for neuron in range(2, 12))]
                for layer in range(3)
                for i in ids
            ]
            rows = {"layer": [layer for layer in range(3) for _ in ids], "sentence_id": ids * 3, "activations": values}
            run.write("activation_sample", unit, rows)
    ingest_profiles(made, again=True)  # positions are known now
    return made


def _places(site):
    return [(layer, neuron) for layer in range(LAYERS) for neuron in range(WIDTHS[site])]


def _described():
    values = {"series": "m", "seed": None, "step": None, "source": "here", "revision": None}
    values |= {"family": "bert", "objective": "mlm"}
    values |= {"n_layers": LAYERS, "d_model": WIDTHS["hidden"], "d_ffn": WIDTHS["ffn"], "vocab_size": 50}
    return {
        name: [value]
        for name, value in {
            **values,
            **HOOKS,
            "family_description": None,
            "n_parameters": 9,
            "weights_sha256": "0",
        }.items()
    }
