"""The neuron page as Streamlit runs it, over a real warehouse."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import nwh.dashboards
from nwh.warehouse import Warehouse
from tests.dashboards.conftest import HOSTILE
from tests.dashboards.shown import commands, tables

APP = Path(nwh.dashboards.__file__).with_name("pages") / "app.py"
NEURON = {"model": "tiny@main", "site": "ffn", "layer": "1", "neuron": "5"}


def script():
    from nwh.dashboards.pages import neuron

    neuron.page()


@pytest.fixture
def open_page(monkeypatch):
    """Return a function that opens the page over a warehouse at an address."""

    def opened(warehouse, **address):
        monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
        app = AppTest.from_function(script, default_timeout=120)
        app.query_params.update(address)
        return run(app)

    return opened


def run(page_or_widget):
    app = page_or_widget.run()
    assert not app.exception
    return app


def press(app, label):
    next(button for button in app.button if button.label == label).click()
    return run(app)


def lists(app):
    """Return the HTML of the top and of the bottom sentences."""
    return [element.value for element in app.get("html") if "nwh-sentences" in element.value and "<ol" in element.value]


_OF = {"d": "plain", "h": "hostile"}


def texts(listing):
    """Return (corpus, text) of the sentences in a list, which name their documents."""
    items = re.findall(r'<div class="nwh-about">(.*?)</div><p class="nwh-text" dir="auto">(.*?)</p>', listing)
    return [(_OF[about.split(" · ")[-1][0]], html.unescape(re.sub(r"<[^>]*>", "", text))) for about, text in items]


def expected(warehouse, pole, k, corpora, site="ffn", layer=1, neuron=5):
    """Return (corpus, text) of the extreme sentences, each text once, by sorting what the corpora keep, which is 20."""
    rows = warehouse.sql(
        "select activation, sentence_id, corpus, text from neuron_sentences where site = $site and layer = $layer "
        "and neuron = $neuron and pole = $pole and model = 'tiny'",
        {"site": site, "layer": layer, "neuron": neuron, "pole": pole},
    ).fetchall()
    sign = -1 if pole == "top" else 1
    rows = sorted((sign * activation, *rest) for activation, *rest in rows if rest[1] in corpora)[:20]
    return list(dict.fromkeys((corpus, text) for _, _, corpus, text in rows))[:k]


def test_an_address_restores_everything(open_page, warehouse):
    app = open_page(warehouse, **NEURON, corpora="plain", k="3", tokens="off")
    assert app.selectbox(key="model").value == "tiny@main"
    assert app.selectbox(key="site").value == "ffn"
    assert (app.number_input(key="layer").value, app.number_input(key="neuron").value) == (1, 5)
    assert app.multiselect(key="corpora").value == ["plain"]
    assert app.number_input(key="k").value == 3
    assert app.toggle(key="tokens").value is False
    top, bottom = lists(app)
    assert texts(top) == expected(warehouse, "top", 3, ["plain"])
    assert texts(bottom) == expected(warehouse, "bottom", 3, ["plain"])


def test_without_corpora_the_sentences_are_those_of_the_union(open_page, warehouse):
    top, bottom = lists(open_page(warehouse, **NEURON, k="20", tokens="off"))
    assert texts(top) == expected(warehouse, "top", 20, ["plain", "hostile"])
    assert texts(bottom) == expected(warehouse, "bottom", 20, ["plain", "hostile"])
    assert {corpus for corpus, _ in texts(top) + texts(bottom)} == {"plain", "hostile"}


def test_widgets_change_the_address(open_page, warehouse):
    app = open_page(warehouse, **NEURON, tokens="off")
    run(app.number_input(key="neuron").set_value(7))
    assert app.query_params["neuron"] == "7"
    run(app.multiselect(key="corpora").set_value(["hostile"]))
    assert app.query_params["corpora"] == "hostile"
    run(app.number_input(key="k").set_value(2))
    assert app.query_params == {**NEURON, "neuron": "7", "corpora": "hostile", "k": "2", "tokens": "off"}
    assert texts(lists(app)[0]) == expected(warehouse, "top", 2, ["hostile"], neuron=7)
    run(app.number_input(key="neuron").set_value(23))
    run(app.selectbox(key="site").set_value("hidden"))  # 16 wide: the nearest neuron is 15
    assert (app.query_params["site"], app.query_params["neuron"]) == ("hidden", "15")
    run(app.toggle(key="tokens").set_value(True))
    assert "tokens" not in app.query_params


def test_buttons_and_jump(open_page, warehouse):
    app = open_page(warehouse, **{**NEURON, "neuron": "23"}, tokens="off")
    press(app, "Next")
    assert (app.query_params["layer"], app.query_params["neuron"]) == ("2", "0")
    press(app, "Previous")
    assert (app.query_params["layer"], app.query_params["neuron"]) == ("1", "23")
    seen = {(app.query_params["layer"], app.query_params["neuron"]) for _ in range(6) if press(app, "Random")}
    assert len(seen) > 1
    run(app.text_input(key="jump").set_value("hidden/2/3"))
    assert app.query_params == {**NEURON, "site": "hidden", "layer": "2", "neuron": "3", "tokens": "off"}
    assert app.text_input(key="jump").value == ""
    before = dict(app.query_params)
    run(app.text_input(key="jump").set_value("hidden/2/16"))
    assert "neurons 0 to 15" in app.warning[0].value
    assert app.query_params == before


def test_a_bad_address_is_explained_and_has_a_way_out(open_page, warehouse):
    app = open_page(warehouse, **{**NEURON, "layer": "![x](https://example.org/x.png)", "site": "mlp"}, tokens="off")
    assert "layer `![x](https://example.org/x.png)` is not here: it is a number from 0 to 2" in app.error[0].value
    assert "site `mlp`" in app.error[0].value
    assert not lists(app)
    press(app, "Show `tiny@main/hidden/0/5` instead")
    assert not app.error
    assert texts(lists(app)[0]) == expected(warehouse, "top", 10, ["plain", "hostile"], site="hidden", layer=0)
    assert app.query_params["site"] == "hidden"


@pytest.mark.parametrize("tokens", ["on", "off"])
def test_text_from_corpora_stays_text(open_page, warehouse, tokens):
    app = open_page(warehouse, **NEURON, corpora="hostile", tokens=tokens)
    for listing in lists(app):
        assert {text for _, text in texts(listing)} == set(HOSTILE)
        assert set(re.findall(r"<(\w+)", listing)) <= {"ol", "li", "div", "b", "p", "span", "details", "summary"}
    (shown,) = (rows for rows in tables(app) if "metadata" in rows[0])
    assert {row["metadata"] for row in shown} == {"author = <b>eve</b>", "topic = **x**"}
    written = " ".join(element.value for element in [*app.markdown, *app.caption])
    assert not any(part in written for part in ("eve<", "**x**", "script", "$x", "__The"))


def test_token_activations_agree_with_the_stored_sentence_activation(open_page, warehouse):
    """The stored activation is the mean over tokens, computed in another batch by another job."""
    top = lists(open_page(warehouse, **NEURON, corpora="plain", k="5"))[0]
    stored = [float(value.replace("\N{MINUS SIGN}", "-")) for value in re.findall(r"<b>(.*?)</b>", top)]
    assert len(stored) == 5
    for activation, item in zip(stored, top.split("<li>")[1:], strict=True):
        values = [float(v.replace("\N{MINUS SIGN}", "-")) for v in re.findall(r'title="(.*?)"', item)]
        assert sum(values) / len(values) == pytest.approx(activation, rel=2e-3, abs=2e-3)


def test_statistics_and_metadata(open_page, warehouse):
    app = open_page(warehouse, **NEURON, corpora="plain", tokens="off")
    folded = ("Mean, quantiles, shape", "1 rarer than in the corpus")
    assert set(folded) <= {each.label for each in app.expander}
    assert not any("skewness" in element.value for element in app.get("html"))
    for title in folded:  # made when they are opened
        app.session_state[f"folded-{title}"] = True
    app.run()
    table = next(element.value for element in app.get("html") if 'class="nwh-table"' in element.value)
    assert '<th scope="row">n</th><td>60</td>' in table
    *_, more, rarer = shown = [rows for rows in tables(app) if "metadata" in rows[0]]
    assert len(shown) == 2
    assert all(float(row["lift"]) >= 1 for row in more)
    assert all(float(row["lift"]) < 1 for row in rarer)
    for row in (*more, *rarer):
        author = row["metadata"].removeprefix("author = ")
        (support,) = warehouse.sql(
            "select count(*) from neuron_topk join sentence_metadata using (sentence_id) where value = $1 and "
            "pole = 'top' and site = 'ffn' and layer = 1 and neuron = 5 and neuron_topk.corpus = 'plain'",
            [author],
        ).fetchall()[0]
        assert int(row["sentences"]) == support
        share, of_corpus = (float(row[name].removesuffix("%")) for name in ("in top", "in corpus"))
        assert share == 100 * support / 20
        assert float(row["lift"]) == pytest.approx(share / of_corpus, abs=0.01)
    assert sum(float(row["in top"].removesuffix("%")) for row in (*more, *rarer)) == 100


def test_an_empty_warehouse_says_what_fills_it_and_what_is_stored_appears(open_page, tmp_path, add_corpus, tiny_bert):
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load

    made = Warehouse.create(tmp_path / "empty")
    app = open_page(made)
    assert "ingest corpus FILE" in commands(app)[0]
    assert f"nwh --warehouse {made.storage.uri} ingest activations" in commands(app)[0]
    add_corpus(made, "one", 20)
    run(app)
    assert "ingest corpus" not in commands(app)[0]
    model = load(str(tiny_bert), name="tiny", device="cpu")
    ingest_activations(made, model, ["one"], Settings(("ffn",), k=3, sample=0))
    run(app)
    assert not commands(app)
    assert app.selectbox(key="site").value == "ffn"
    assert len(texts(lists(app)[0])) == 3
    add_corpus(made, "two", 20, seed=1)
    ingest_activations(made, model, ["two"], Settings(("ffn",), k=3, sample=0))
    assert app.multiselect(key="corpora").options == ["one"]
    run(app)
    assert app.multiselect(key="corpora").options == ["one", "two"]


def test_a_model_that_is_gone_is_named_and_the_sentences_are_shown(open_page, tmp_path, add_corpus, tiny_bert):
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load

    folder = shutil.copytree(tiny_bert, tmp_path / "tiny")
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 20)
    ingest_activations(made, load(str(folder), device="cpu"), ["one"], Settings(("ffn",), k=3, sample=0))
    shutil.rmtree(folder)
    app = open_page(made)
    assert "activations per token are not shown" in app.warning[0].value
    assert str(folder) in app.warning[0].value
    assert len(texts(lists(app)[0])) == 3


def test_a_model_that_goes_while_a_page_is_open_is_named_where_it_is_missed(open_page, tmp_path, add_corpus, tiny_bert):
    """What is kept of the top sentences is shown as before; sentences of another strength say why they have none."""
    from nwh.ingest.activations import live_activations
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.models import load

    folder = shutil.copytree(tiny_bert, tmp_path / "tiny")
    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "one", 30)
    ingest_activations(made, load(str(folder), device="cpu"), ["one"], Settings(("ffn",), k=2, sample=20))
    app = open_page(made)
    run(app)  # now with values of every strength, of the first tab
    assert all("nwh-token" in listing for listing in lists(app))
    assert not app.warning
    shutil.rmtree(folder)
    live_activations._load.cache_clear()
    app.session_state["strength"] = "Random"
    top, bottom, drawn = lists(run(app))
    assert all("nwh-token" in listing for listing in (top, bottom))
    assert "nwh-token" not in drawn
    assert [str(folder) in each.value for each in app.warning] == [True]


def test_no_warehouse_is_one_clear_message(monkeypatch, tmp_path):
    monkeypatch.setenv("NWH_WAREHOUSE", str(tmp_path / "nowhere"))
    app = run(AppTest.from_file(APP, default_timeout=60))
    assert "nwh init" in app.error[0].value


def test_what_the_top_sentences_share(open_page, warehouse):
    app = open_page(warehouse, **NEURON, corpora="plain")
    assert [tab.label for tab in app.tabs] == [
        "Nouns", "Verbs", "Adjectives", "Word sequences (plain)", "Tag sequences (plain)", "Subtrees (plain)",
        "Parts of speech",
    ]  # fmt: skip
    assert [bool(tab.children) for tab in app.tabs] == [True] + [False] * 6  # these are asked for when they are opened
    app.session_state["parts"] = "Parts of speech"
    (shown,) = tables(run(app).tabs[-1])
    want = warehouse.sql(
        "select class, sum(share) from neuron_tag_distribution where site = 'ffn' and layer = 1 and neuron = 5 "
        "and corpus = 'plain' and pole = 'top' group by class order by 2 desc, 1"
    ).fetchall()
    shares = {row["Parts of speech"]: float(row["in top"].removesuffix("%")) / 100 for row in shown}
    assert shares == pytest.approx(dict(want), abs=1e-4)
    assert want[0][0] == "noun"
    ((k, length),) = warehouse.sql(
        "select any_value(k), avg(len(words)) from annotations join neuron_length using (corpus) join neuron_sentences "
        "using (model, checkpoint, site, corpus, layer, neuron, pole, sentence_id) "
        "where site = 'ffn' and layer = 1 and neuron = 5 and corpus = 'plain' and pole = 'top'"
    ).fetchall()
    assert k == 20
    assert any(f"Mean length in `plain`: **{length:.1f}** tokens" in element.value for element in app.markdown)


def test_without_annotations_the_page_names_the_commands(open_page, warehouse):
    app = open_page(warehouse, **NEURON, corpora="hostile")
    assert any("nwh ingest annotations" in element.value for element in app.caption)
    assert not app.tabs
