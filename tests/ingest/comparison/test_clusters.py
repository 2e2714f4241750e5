"""The job against transformers' own forward, a plain full sort and k-means over the same rows, repeated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.cluster import KMeans
from transformers import AutoModel, AutoTokenizer

from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.activations.rows import lists
from nwh.ingest.comparison import clusters as job
from nwh.ingest.comparison.clusters import ClusterSettings, ingest_clusters
from nwh.ingest.comparison.sentence_vectors import sentence_vectors
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import Noting, copied, made_up_documents
from tests.ingest.tiny_language_models import save_causal

MODEL = ("tiny-bert", "main")
SETTINGS = ClusterSettings(k=(1, 3, 8), per_neuron=2, sentences=50, groups=4)
TABLES = ["layer_clusters", "neuron_clusters"]
DEAD = (2, 15)


@pytest.fixture(scope="module", autouse=True)
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "BLOCK", 20)
        yield


@pytest.fixture(scope="module")
def stored(tmp_path_factory, tiny_bert):
    """Return a warehouse with activations of `one` and `two`, and of `bare` without a sample; hidden/2/15 is dead."""
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document

    folder = tmp_path_factory.mktemp("clusters")
    warehouse = Warehouse.create(folder / "warehouse")
    for seed, (corpus, n) in enumerate((("one", 60), ("two", 30), ("bare", 12))):
        documents = [Document(str(each["id"]), str(each["text"])) for each in made_up_documents(n, seed)]
        ingest_corpus(warehouse, corpus, "made up", lambda documents=documents: documents)
    model = load(str(tiny_bert), device="cpu")
    model.base.encoder.layer[DEAD[0]].output.LayerNorm.weight[DEAD[1]] = 0  # it is its bias, whatever is read
    ingest_activations(warehouse, model, ["one", "two"], Settings(k=7, sample=40))
    ingest_activations(warehouse, model, ["bare"], Settings(k=7, sample=0))
    return folder / "warehouse"


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored, tmp_path / "warehouse")


@pytest.fixture(scope="module")
def clustered(stored, tmp_path_factory):
    """Return a warehouse with the clusters of hidden neurons; no test changes it."""
    made = copied(stored, tmp_path_factory.mktemp("clustered") / "warehouse")
    ingest_clusters(made, *MODEL, SETTINGS, sites=["hidden"])
    return made


@pytest.fixture(scope="module")
def asked_for_more(stored, tmp_path_factory):
    """Return a warehouse with the clusters of ffn neurons, more asked for than there is, and the notes on it."""
    made = copied(stored, tmp_path_factory.mktemp("more") / "warehouse")
    progress = Noting()
    settings = replace(SETTINGS, k=(2, 47, 48, 49), sentences=1000)
    ingest_clusters(made, *MODEL, settings, sites=["ffn"], progress=progress)
    return made, progress.notes


def rows(warehouse):
    return {name: warehouse.sql(f"from {name} order by all").fetchall() for name in TABLES}


def sampled(warehouse, site, layer):
    """Return [neurons, sentences] of everything sampled, by sentence."""
    where = (pl.col("site") == site) & (pl.col("layer") == layer)
    found = warehouse.scan("activation_sample").filter(where).sort("sentence_id").collect()
    return np.array(found["activations"].to_list(), np.float32).T


def strongest(warehouse, layer, n):
    """Return the texts of the n strongest sentences of each hidden neuron of a layer, by a full sort."""
    where = (pl.col("site") == "hidden") & (pl.col("layer") == layer) & (pl.col("pole") == "top")
    found = (
        warehouse.scan("neuron_topk")
        .filter(where, pl.col("corpus") != "bare")
        .join(warehouse.scan("sentences"), on=["sentence_id", "corpus"])
        .collect()
    )
    texts = []
    for (neuron,), of_neuron in found.group_by("neuron"):
        if (layer, neuron) != DEAD:
            texts += of_neuron.sort("activation", "sentence_id", descending=[True, False])["text"][:n].to_list()
    return texts


def by_hand(folder, texts):
    """Return the [CLS] vector of each text, one at a time."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        encoded = (tokenizer(text, truncation=True, max_length=32, return_tensors="pt") for text in texts)
        return np.stack([model(**each).last_hidden_state[0, 0].numpy() for each in encoded]).astype(np.float64)


def sse_of(vectors, labels):
    return sum(((vectors[labels == c] - vectors[labels == c].mean(0)) ** 2).sum() for c in np.unique(labels))


def test_curves_equal_a_plain_computation_with_shared_sentences_repeated(clustered, tiny_bert):
    found = clustered.sql("select layer, k, sse, n_vectors, scope from layer_clusters order by all").fetchall()
    assert [(layer, k) for layer, k, *_ in found] == [(layer, k) for layer in range(3) for k in (1, 3, 8)]
    for layer in range(3):
        texts = strongest(clustered, layer, 2)
        assert len(set(texts)) < len(texts) == (30 if layer == DEAD[0] else 32)
        vectors = by_hand(tiny_bert, texts)
        assert [scope for at, *_, scope in found if at == layer] == ["one+two"] * 3
        assert {n for at, _, _, n, _ in found if at == layer} == {len(texts)}
        sse = [value for at, _, value, *_ in found if at == layer]
        assert sse[0] == pytest.approx(((vectors - vectors.mean(0)) ** 2).sum(), rel=1e-4)
        for k, value in zip((3, 8), sse[1:], strict=True):
            best = sse_of(vectors, KMeans(k, n_init=60, tol=0, random_state=1).fit(vectors).labels_)
            assert best * 0.99 <= value <= best * 1.05  # on some machines sixty starts end a little above ours


def test_groups_and_the_picture_hold_every_neuron_once(clustered):
    for layer in range(3):
        found = clustered.sql(
            "select neuron, k, cluster, x, y from neuron_clusters where layer = $1 order by neuron", [layer]
        ).fetchnumpy()
        assert found["neuron"].tolist() == list(range(16))
        assert set(found["k"]) == {4}
        sizes = np.bincount(found["cluster"])
        assert len(sizes) == 4
        assert (np.diff(sizes) <= 0).all()
        assert np.isfinite([found["x"], found["y"]]).all()
        assert len(np.unique(found["x"])) == len(found["x"])


def test_all_sampled_sentences_are_used_where_fewer_are_stored(asked_for_more):
    warehouse, notes = asked_for_more
    assert "one+two has 80 sampled sentences: all are used, --sentences asked for more" in notes
    for layer in range(3):
        vectors = sampled(warehouse, "ffn", layer).astype(np.float64)
        labels = warehouse.sql(
            "select cluster from neuron_clusters where site = 'ffn' and layer = $1 order by neuron", [layer]
        ).fetchnumpy()["cluster"]
        best = KMeans(4, n_init=60, tol=0, random_state=1).fit(vectors)
        assert sse_of(vectors, labels) == pytest.approx(sse_of(vectors, best.labels_), rel=0.02)
        means = np.stack([vectors[labels == c].mean(0) for c in range(4)])
        nearest = ((vectors[:, None] - means) ** 2).sum(2).argmin(1)
        assert (nearest == labels).all()  # no neuron would be better off elsewhere


def test_planted_groups_are_found_and_numbered_by_size(warehouse):
    groups = np.array([2] * 3 + [0] * 7 + [1] * 5 + [3])  # of the 16 neurons
    centres = np.random.default_rng(0).standard_normal((4, 40)) * 9
    values = centres[groups] + np.random.default_rng(1).standard_normal((16, 40))
    replace_sample(warehouse, "one", values.astype(np.float32))
    replace_sample(warehouse, "two", values[:, :20].astype(np.float32))
    ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"])
    for layer in range(3):
        query = "select cluster, x, y from neuron_clusters where layer = $1 order by neuron"
        found = warehouse.sql(query, [layer]).fetchnumpy()
        assert found["cluster"].tolist() == groups.tolist()


def test_neurons_that_are_all_alike_are_one_group(warehouse):
    for corpus in ("one", "two"):
        replace_sample(warehouse, corpus, np.full((16, 20), 0.3, np.float32))
    ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"])
    assert warehouse.sql("select distinct k, cluster, x, y from neuron_clusters").fetchall() == [(1, 0, 0, 0)]


def replace_sample(warehouse, corpus, values, order=1):
    """Store [neurons, sentences] as the sample of hidden neurons in every layer; descending ids if order = -1."""
    ids = warehouse.sql(
        "select sentence_id from activation_sample where corpus = $1 and site = 'hidden' and layer = 0 order by 1",
        [corpus],
    ).fetchnumpy()["sentence_id"][: values.shape[1]]
    unit = {"model": MODEL[0], "checkpoint": MODEL[1], "site": "hidden", "corpus": corpus}
    with warehouse.run("test", unit, {}) as run, run.writer("activation_sample", unit) as writer:
        for layer in range(3)[::order]:
            matrix = np.ascontiguousarray(values.T[::order])
            layers = np.full(len(ids), layer, np.int16)
            writer.write(pa.table({"sentence_id": ids[::order], "layer": layers, "activations": lists(matrix)}))


def test_rows_in_another_order_and_other_threads_make_no_difference(clustered, warehouse):
    for corpus in ("one", "two"):
        where = (pl.col("corpus") == corpus) & (pl.col("site") == "hidden") & (pl.col("layer") == 1)
        kept = warehouse.scan("activation_sample").filter(where).sort("sentence_id").collect()["activations"]
        values = np.array(kept.to_list(), np.float32).T
        replace_sample(warehouse, corpus, values, order=-1)
    ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"], corpora=["two", "one"], threads=3)
    of_layer = "where site = 'hidden' and layer = 1 order by all"
    for name in TABLES:
        query = f"select * exclude (layer) from {name} {of_layer}"
        assert warehouse.sql(query).fetchall() == clustered.sql(query).fetchall()


@pytest.mark.parametrize("fails", ["sentence_vectors", "tsne"])
def test_an_interrupted_run_goes_on_and_ends_in_the_same_rows(clustered, warehouse, monkeypatch, fails):
    real, calls = getattr(job, fails), []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(job, fails, interrupted)
    with pytest.raises(KeyboardInterrupt):
        ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"], threads=1)
    assert rows(warehouse) == {name: [] for name in TABLES}
    encoded = []
    monkeypatch.setattr(job, "tsne", real if fails == "tsne" else job.tsne)
    monkeypatch.setattr(job, "sentence_vectors", lambda *a: encoded.append(a) or sentence_vectors(*a))
    (run,) = ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"])
    (note,) = [note for note in run.notes if note.startswith("resumed run")]
    done, total = map(int, note.split(" at ")[1].split(" of "))
    assert done == (20 if fails == "sentence_vectors" else total - 2)  # all sentences and one of three layers
    assert sum(len(texts) for _, texts in encoded) == max(0, total - 3 - done)
    assert bool(encoded) == (fails == "sentence_vectors")  # else the model is not even loaded
    assert rows(warehouse) == rows(clustered)


def test_what_is_stored_is_left_alone_until_something_changes(clustered, tmp_path, tiny_bert, monkeypatch):
    warehouse = copied(clustered.storage.uri, tmp_path / "warehouse")
    before = rows(warehouse)
    with monkeypatch.context() as patch:
        patch.setattr(job, "load", lambda *a, **k: pytest.fail("the model is not needed"))
        progress = Noting()
        assert ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"], progress=progress) == []
        assert "is stored with these settings already" in progress.notes[-1]
    (run,) = ingest_clusters(warehouse, *MODEL, SETTINGS, sites=["hidden"], again=True)
    assert run.notes == [
        "1 hidden neurons have no strongest sentence, all their top ones tie: the curves leave them out"
    ]
    assert run.versions["scikit-learn"]
    assert run.versions["transformers"]
    assert rows(warehouse) == before
    assert ingest_clusters(warehouse, *MODEL, replace(SETTINGS, seed=1), sites=["hidden"])
    assert rows(warehouse) != before
    model = load(str(tiny_bert), device="cpu")
    ingest_activations(warehouse, model, ["two"], Settings(k=7, sample=40), again=True)
    assert ingest_clusters(warehouse, *MODEL, replace(SETTINGS, seed=1), sites=["hidden"])
    assert not [finding for finding in verify(warehouse, deep=True) if finding.wrong]


def test_too_many_clusters_are_left_out_with_a_note(asked_for_more):
    warehouse, notes = asked_for_more
    assert "layer 0 has 48 sentence vectors: k = 49 is left out" in notes
    found = warehouse.sql("select layer, k, sse from layer_clusters where k > 2 order by all").fetchall()
    assert found == [(layer, k, 0.0) for layer in range(3) for k in (47, 48)]  # fewer distinct sentences than that


def test_corpora_without_a_sample_are_left_out_unless_they_are_named(warehouse, asked_for_more):
    assert "bare left out of the scope: no sampled activations of tiny-bert@main/ffn" in asked_for_more[1]
    with pytest.raises(UsageError, match="'bare' has no sampled activations.*`nwh ingest activations --sample 1000"):
        ingest_clusters(warehouse, *MODEL, SETTINGS, corpora=["one", "bare"])


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({}, {"corpora": ["unread"]}, "corpus 'unread' has no top sentences of .*--corpus unread` makes them"),
        ({}, {"sites": ["attention"]}, "no attention activations of tiny-bert@main; there are hidden, ffn"),
        ({"per_neuron": 8}, {}, "--per-neuron 8 asks for more than the 7 sentences .* 'one'"),
        ({"groups": 17}, {"sites": ["hidden"]}, "--groups 17 is more than the 16 hidden neurons"),
    ],
)
def test_wrong_use_is_refused_before_any_work(warehouse, changed, options, message):
    with pytest.raises(UsageError, match=message):
        ingest_clusters(warehouse, *MODEL, replace(SETTINGS, **changed), **options)
    assert warehouse.sql("select count(*) from runs where job = 'clusters'").fetchall() == [(0,)]


@pytest.mark.parametrize("wrong", [{"k": ()}, {"k": (0, 5)}, {"per_neuron": 0}, {"sentences": 1}, {"groups": 0}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(UsageError, match="must be at least"):
        ClusterSettings(**wrong)


def test_activations_of_an_earlier_text_are_gone(warehouse):
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document

    ingest_corpus(warehouse, "two", "made up", lambda: [Document("d", "The cat sees the dog.")], again=True)
    with pytest.raises(UsageError, match=r"corpus 'two' has no top sentences .*nwh ingest activations"):
        ingest_clusters(warehouse, *MODEL, SETTINGS, corpora=["one", "two"])


def test_a_sample_with_nan_stores_nothing(warehouse):
    values = np.ones((16, 40), np.float32)
    values[3, 5] = np.nan
    replace_sample(warehouse, "one", values)
    with pytest.raises(ModelError, match="tiny-bert@main/hidden/0/3 .* NaN or infinite"):
        ingest_clusters(warehouse, *MODEL, SETTINGS, corpora=["one"], sites=["hidden"])
    assert rows(warehouse) == {name: [] for name in TABLES}


def test_other_weights_are_not_taken_for_the_stored_ones(warehouse, tmp_path):
    from tests.conftest import write_tiny_bert

    other = write_tiny_bert(tmp_path / "tiny-bert", seed=5)
    with pytest.raises(UsageError, match="other weights"):
        ingest_clusters(warehouse, *MODEL, SETTINGS, source=str(other))


def test_causal_models_give_the_mean_over_tokens(tmp_path):
    model = load(str(save_causal(tmp_path / "causal", bos=True)), device="cpu")
    texts = ["the capital of france is", "x we see in old", "what is the city in the old x"]
    found = sentence_vectors(model, texts)
    seen = []
    blocks = model.family.blocks_of(model.base)
    handle = blocks[-1].register_forward_hook(
        lambda module, args, out: seen.append(out[0] if type(out) is tuple else out)
    )
    for text, vector in zip(texts, found, strict=True):
        encoded = model.tokenizer(text, return_special_tokens_mask=True, return_tensors="pt")
        counted = encoded.pop("special_tokens_mask")[0] == 0
        model.base(input_ids=encoded["input_ids"])
        np.testing.assert_allclose(vector, seen.pop().reshape(len(counted), -1)[counted].mean(0), rtol=1e-4, atol=1e-5)
    handle.remove()
