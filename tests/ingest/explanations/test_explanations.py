"""Explanations against facts that are worked out apart: what is shown, what the judges say, what is stored."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from nwh.ingest import statistics
from nwh.ingest.activations.job import Settings, ingest_activations
from nwh.ingest.explanations.chat import EXPLAIN, JUDGE
from nwh.ingest.explanations.halves import ExplanationSettings
from nwh.ingest.explanations.job import ingest_explanations
from nwh.ingest.explanations.local_chat import LocalChat
from nwh.ingest.explanations.server_chat import ServerChat
from nwh.ingest.models import load
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.upkeep.verify import verify
from tests.conftest import copied
from tests.ingest.tiny_language_models import save_causal

SETTINGS = ExplanationSettings(examples=6, judged=6)
FFN = {"sites": ["ffn"], "layers": [1]}


@pytest.fixture(scope="module")
def stored(tmp_path_factory, add_corpus, tiny_bert):
    made = Warehouse.create(tmp_path_factory.mktemp("explained") / "warehouse")
    add_corpus(made, "one", 150)
    ingest_activations(made, load(str(tiny_bert), device="cpu"), ["one"], Settings(k=40, sample=20))
    return made


@pytest.fixture
def warehouse(stored, tmp_path):
    return copied(stored.storage.uri, tmp_path / "w")


def rows(warehouse, query):
    result = warehouse.sql(query)
    return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]


def test_template_says_what_tells_the_first_half_and_is_judged_on_the_second(warehouse):
    (run,) = ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN)
    said = {row["neuron"]: row for row in rows(warehouse, "from explanations")}
    assert len(said) == 24
    top = rows(
        warehouse,
        "select neuron, list(sentence_id order by rank) as ids from neuron_topk where site = 'ffn' and layer = 1 "
        "and pole = 'top' group by neuron",
    )
    texts = dict(warehouse.sql("select sentence_id, text from sentences").fetchall())
    words = {i: {word.strip(".").lower() for word in text.split()} - {"a", ""} for i, text in texts.items()}
    counted = [i for (i,) in warehouse.sql("select sentence_id from sentence_tokens").fetchall()]
    first = {i for i in counted if statistics.first_half([i])[0]}
    overall = Counter(word for i in first for word in words[i])
    told = 0
    for row in top:
        inside = [i for i in row["ids"] if i in first]
        explained = said[row["neuron"]]
        assert explained["examples"] == inside[:6]
        n_with = Counter(word for i in inside for word in words[i])
        g2 = {
            word: statistics.g2(n, len(inside), overall[word], len(first)).item()
            for word, n in n_with.items()
            if n / len(inside) > overall[word] / len(first)
        }
        best = max(g2, key=lambda word: (g2[word], word))
        if "with" in explained["explanation"]:
            told += 1
            assert f'"{best}"' in explained["explanation"]
        elif g2[best] > 11:  # certain whatever the number of words that are tested
            raise AssertionError((explained, best))
    assert told > 5
    judged = rows(warehouse, "from explanation_judgements where neuron = 3 order by whose, sentence_id")
    own = [row for row in judged if row["whose"] == "own"]
    ids = next(row["ids"] for row in top if row["neuron"] == 3)
    assert {row["sentence_id"] for row in own if row["is_top"]} == set([i for i in ids if i not in first][:6])
    others = {row["sentence_id"] for row in own if not row["is_top"]}
    assert len(others) == 6
    assert not others & (set(ids) | first)
    assert run.settings["neurons"] == {"1": [[0, 23]]}
    assert not [finding.text for finding in verify(warehouse, deep=True) if finding.wrong]


def test_words_judge_and_scores_are_what_they_are_said_to_be(warehouse):
    ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN)
    texts = dict(warehouse.sql("select sentence_id, text from sentences").fetchall())
    counted = [i for (i,) in warehouse.sql("select sentence_id from sentence_tokens").fetchall()]
    words = {i: set(texts[i].lower().replace(".", "").split()) - {"a"} for i in counted}
    n_with = Counter(word for i in counted for word in words[i])
    weight = {word: math.log(len(counted) / n) for word, n in n_with.items()}
    said = {row["neuron"]: row["explanation"] for row in rows(warehouse, "from explanations")}
    judged = rows(warehouse, "from explanation_judgements")

    def score(explanation, having):
        known = {"".join(c for c in word.lower() if c.isalnum()) for word in explanation.split()} & set(weight)
        return sum(weight[word] for word in known & having) / sum(weight[word] for word in known)

    for row in (row for row in judged if row["neuron"] < 3 and row["whose"] == "own" and "with" in said[row["neuron"]]):
        explanation = said[row["neuron"]]
        assert row["score"] == pytest.approx(score(explanation, words[row["sentence_id"]]))
        mean = np.mean([score(explanation, words[i]) for i in counted])
        assert row["verdict"] == (row["score"] > mean)
    for row in rows(warehouse, "from neuron_explanations"):
        for whose, auroc, accuracy in (
            ("own", row["auroc"], row["balanced_accuracy"]),
            ("shuffled", row["control_auroc"], row["control_balanced_accuracy"]),
        ):
            of = [each for each in judged if each["neuron"] == row["neuron"] and each["whose"] == whose]
            is_top = [each["is_top"] for each in of]
            assert auroc == pytest.approx(roc_auc_score(is_top, [each["score"] for each in of]))
            assert accuracy == pytest.approx(balanced_accuracy_score(is_top, [each["verdict"] for each in of]))
    mean = warehouse.sql("select avg(auroc), avg(control_auroc) from neuron_explanations").fetchall()[0]
    assert mean[0] > mean[1]


def test_some_neurons_first_then_others(warehouse):
    ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN, neurons=[3, 5])
    before = rows(warehouse, "from explanation_judgements where neuron = 3 order by all")
    ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN, neurons=[5, 7])
    assert rows(warehouse, "from explanation_judgements where neuron = 3 order by all") == before
    assert warehouse.sql("select list(neuron order by neuron) from explanations").fetchall() == [([3, 5, 7],)]
    assert ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN, neurons=[3, 7]) == []
    with pytest.raises(UsageError, match=r"made otherwise \(judged\): --as NAME keeps both"):
        ingest_explanations(warehouse, "tiny-bert", "main", ExplanationSettings(6, 5), **FFN, neurons=[3])
    ingest_explanations(warehouse, "tiny-bert", "main", ExplanationSettings(6, 5), **FFN, neurons=[3], source="five")
    assert warehouse.sql("select source, count(*) from explanations group by all order by 1").fetchall() == [
        ("five", 1),
        ("template", 3),
    ]


def test_a_killed_run_goes_on(warehouse, stored, monkeypatch):
    from nwh.ingest.explanations import job
    from nwh.ingest.explanations.words_judge import WordsJudge

    monkeypatch.setattr(job, "_BLOCK", 5)
    judge, calls = WordsJudge.judge, []

    def dies(self, pairs):
        calls.append(len(pairs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judge(self, pairs)

    monkeypatch.setattr(WordsJudge, "judge", dies)
    with pytest.raises(KeyboardInterrupt):
        ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN)
    assert rows(warehouse, "from explanations") == []
    (run,) = ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN)
    assert len(calls) == 3 + 3  # five blocks, of which two were staged
    assert any("resumed run" in note for note in run.notes)
    monkeypatch.undo()
    undisturbed = copied(stored.storage.uri, warehouse.storage.uri + "-2")
    ingest_explanations(undisturbed, "tiny-bert", "main", SETTINGS, **FFN)
    for relation in ("explanations", "explanation_judgements"):
        assert rows(warehouse, f"from {relation} order by all") == rows(undisturbed, f"from {relation} order by all")


def test_explanations_go_with_the_activations_they_are_of(warehouse, tiny_bert):
    ingest_explanations(warehouse, "tiny-bert", "main", SETTINGS, **FFN)
    model = load(str(tiny_bert), device="cpu")
    with pytest.raises(UsageError, match=r"explanations of model=tiny-bert.* would be of earlier activations"):
        ingest_activations(warehouse, model, ["one"], Settings(k=30, sample=20))
    ingest_activations(warehouse, model, ["one"], Settings(k=30, sample=20), again=True)
    assert warehouse.sql("select count(*) from neuron_explanations").fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"judge": "chat"}, "no chat model is named"),
        ({"template": False}, "no chat model is named"),
        ({"judge": "me"}, "judge 'me' is not known: use words or chat"),
        ({"neurons": [24]}, r"no neuron 24 in tiny-bert@main/ffn: it has neurons 0 to 23"),
        ({"corpora": ["brown"]}, "corpus 'brown' has no top sentences"),
        ({"source": "a/b"}, "source name 'a/b' is not allowed"),
    ],
)
def test_wrong_use(stored, options, message):
    with pytest.raises(UsageError, match=message):
        ingest_explanations(stored, "tiny-bert", "main", SETTINGS, **{**FFN, **options})
    with pytest.raises(UsageError, match="--examples must be at least 1"):
        ingest_explanations(stored, "tiny-bert", "main", ExplanationSettings(0), **FFN)


# -- chat models -------------------------------------------------------------------------------------------


def test_a_local_chat_model_explains_and_judges(warehouse, tmp_path):
    model = load(str(save_causal(tmp_path / "writer", positions=1600)), head=True, device="cpu")
    chat = LocalChat(model, "writer")
    ingest_explanations(
        warehouse, "tiny-bert", "main", SETTINGS, chat=chat, template=False, judge="chat", **FFN, neurons=[2, 3]
    )
    found = rows(warehouse, "from explanations")
    assert [(row["source"], row["explainer"], row["method"]) for row in found] == [("writer", "writer", "chat")] * 2
    assert {row["prompt"] for row in found} == {EXPLAIN}
    (settings,) = warehouse.sql("select settings from runs where job = 'explanations'").fetchall()[0]
    assert json.loads(settings)["judge_prompt"] == JUDGE
    # the answer, and the probability of Yes, from the logits one prompt at a time
    texts = dict(warehouse.sql("select sentence_id, text from sentences").fetchall())
    row = rows(warehouse, "from explanation_judgements where neuron = 2 and whose = 'own' order by sentence_id")[0]
    said = next(each["explanation"] for each in found if each["neuron"] == 2)
    prompt = JUDGE.replace("{explanation}", said).replace("{sentence}", texts[row["sentence_id"]])
    logits = model.module(**model.tokenizer(f"{prompt}\n", return_tensors="pt")).logits[0, -1]
    yes, no = (
        sum(logits[i].exp().item() for i in {model.tokenizer(form)["input_ids"][0] for form in forms} - {blank})
        for blank in [model.tokenizer(" ")["input_ids"][0]]
        for forms in (("Yes", "yes", " Yes", " yes"), ("No", "no", " No", " no"))
    )
    assert row["score"] == pytest.approx(yes / (yes + no), abs=1e-4)
    assert row["verdict"] == (row["score"] > 0.5)


def test_a_masked_model_does_not_write(tiny_bert):
    with pytest.raises(UsageError, match="does not write text"):
        LocalChat(load(str(tiny_bert), device="cpu"), "tiny-bert")


@pytest.fixture
def server():
    """Return the address of a server that speaks OpenAI's chat completions, what it was asked, and how it answers."""
    asked, answer = [], {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers.get("Authorization"), body))
            text = body["messages"][0]["content"]
            status, choice = answer["with"](text, body)
            content = json.dumps({"choices": [choice]} if status == 200 else choice).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}/v1", asked, answer
        made.shutdown()
        thread.join()


def cats(text, body):
    """Explain by cats, and judge by whether there is one: with probabilities."""
    if "logprobs" not in body:
        return 200, {"message": {"content": '\nAnswer: "cats"\nand more'}}
    yes = 0.75 if "cat" in text.split("Sentence:")[1].lower() else 0.25
    top = [{"token": "Yes", "logprob": math.log(yes / 2)}, {"token": " no", "logprob": math.log((1 - yes) / 2)}]
    return 200, {"message": {"content": "Yes"}, "logprobs": {"content": [{"top_logprobs": top}]}}


def test_a_server_explains_and_judges(warehouse, server, monkeypatch):
    url, asked, answer = server
    answer["with"] = cats
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    chat = ServerChat(f"{url}/", "qwen/cat:7b")
    ingest_explanations(
        warehouse, "tiny-bert", "main", SETTINGS, chat=chat, template=False, judge="chat", **FFN, neurons=[2, 3]
    )
    assert {(row["source"], row["explanation"]) for row in rows(warehouse, "from explanations")} == {("cat-7b", "cats")}
    texts = dict(warehouse.sql("select sentence_id, text from sentences").fetchall())
    judged = rows(warehouse, "from explanation_judgements")
    assert {row["whose"] for row in judged} == {"own"}  # there is no other explanation to shuffle in
    for row in judged:
        assert row["score"] == pytest.approx(0.75 if "cat" in texts[row["sentence_id"]].lower() else 0.25)
    path, key, body = asked[0]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer secret", "qwen/cat:7b")
    prompts = [body["messages"][0]["content"] for _, _, body in asked]
    shown = rows(warehouse, "from explanations where neuron = 2")[0]["examples"]
    assert any(all(texts[each] in prompt for each in shown) for prompt in prompts[:2])
    assert "secret" not in json.dumps(warehouse.sql("select settings from runs").fetchall())


def test_a_server_without_probabilities_and_one_that_is_busy(server):
    url, asked, answer = server
    busy = iter([(503, {}), (200, {"message": {"content": " No."}})])
    answer["with"] = lambda text, body: next(busy)
    assert ServerChat(url, "m").yes(["a"]) == [0.0]
    assert len(asked) == 2
    answer["with"] = lambda text, body: (200, {"message": {"content": "Perhaps"}})
    assert ServerChat(url, "m").yes(["a"]) == [0.5]


@pytest.mark.parametrize(
    ("status", "choice", "message"),
    [
        (401, {"error": "no key"}, r"answers 401 for model m: .*no key.*; \$OPENAI_API_KEY is sent as the key"),
        (404, {"error": "no such model"}, "answers 404 for model m"),
        (200, "nothing", "does not answer as OpenAI's chat completions do"),
    ],
)
def test_a_server_that_refuses(server, status, choice, message):
    url, _, answer = server
    answer["with"] = lambda text, body: (status, choice)
    with pytest.raises(ModelError, match=message):
        ServerChat(url, "m").answers(["a"])


def test_no_server(server):
    with pytest.raises(ModelError, match="no chat model answers at http://127.0.0.1:9/v1/chat/completions"):
        ServerChat("http://127.0.0.1:9/v1", "m").answers(["a"])
