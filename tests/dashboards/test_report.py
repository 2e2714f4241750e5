"""`nwh report`: pages are read back with an HTML parser, their data compared with what their own SQL gives."""

from __future__ import annotations

import csv
import math
import re
import shutil
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from random import Random
from xml.etree import ElementTree

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from nwh.warehouse.errors import UsageError
from nwh.warehouse.limited_sql import open_limited
from nwh.warehouse.progress import Progress
from tests.dashboards.conftest import HOSTILE, resize
from tests.sql.knowledge_rows import CONCEPTS, LAYERS, Rows, columns, described

pytest.importorskip("vl_convert", reason="charts of reports are drawn by vl-convert-python: pip install 'nwh[report]'")

from nwh.dashboards.charts import drawing
from nwh.dashboards.report import neurons, page, write_report
from nwh.dashboards.report.exhibits import Exhibit
from nwh.dashboards.report.writing import subject_of
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.queries.neurons import Extent
from nwh.warehouse.statements import written_out

LOADING = {"script", "link", "iframe", "object", "embed", "form", "base", "video", "audio"}
NEURONS, SHAPES = 40, [(0, 3), (2, 4)]
DISTANCES = [("reuters", "train", 9, 2161.4, 34.8), ("reuters", "test", 8, 1947.9, 31.2), ("<b>x", "all", 7, 1.5, 0.25)]


@dataclass
class Shown:
    """A table or figure as a reader sees it."""

    label: str
    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    sql: str = ""
    links: list[str] = field(default_factory=list)
    pictures: int = 0


class Reader(HTMLParser):
    """Reads a report back; `sections` are titles with the text that is outside tables and figures."""

    def __init__(self, text):
        super().__init__()
        self.exhibits, self.sections, self.tags, self.ids, self.addresses = [], {}, [], [], []
        self.inside, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action")]
        assert not [name for name in found if name.startswith("on")]
        if tag not in ("meta", "img", "path", "line", "rect") or found.get("alt"):
            self.inside += [tag] if tag not in ("meta", "img", "br") else []
        if tag == "figure":
            self.exhibits.append(Shown(found["id"]))
        elif self.exhibits and "figure" in self.inside:
            shown = self.exhibits[-1]
            shown.pictures += tag in ("svg", "img")
            shown.links += [found["href"]] if tag == "a" else []
            if tag == "tr":
                shown.rows.append([])
            elif tag in ("td", "th"):
                shown.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, text):
        self.texts.append(text)
        where = set(self.inside)
        if "h2" in where:
            self.sections[text] = ""
        elif "figure" in where:
            shown = self.exhibits[-1]
            if "pre" in where:
                shown.sql += text
            elif "figcaption" in where:
                shown.caption += text
            elif {"td", "th"} & where:
                shown.rows[-1][-1] += text
        elif self.sections:
            self.sections[next(reversed(self.sections))] += text

    def exhibit(self, caption):
        """The one table or figure whose caption has these words."""
        found = [shown for shown in self.exhibits if caption in shown.caption]
        assert len(found) == 1, (caption, [shown.caption for shown in self.exhibits])
        return found[0]


def read(folder):
    return Reader((folder / "index.html").read_text())


def data_of(folder, shown):
    """Return the rows of an exhibit's CSV file, header first."""
    with open(folder / shown.links[0], newline="") as stream:
        return list(csv.reader(stream))


@pytest.fixture(scope="module")
def across(tmp_path_factory):
    """Return hand-made rows of prompts, clusters, maps and distances of model `bert`."""
    rows, random = Rows(), Random(1)
    rows.prompts, rows.frequency = {"a": rows.prompts["a"]}, {"a": rows.frequency["a"]}
    for kept in (rows.scores, rows.attributions, rows.interventions):
        for unit in [unit for unit in kept if unit[0] != "bert" or unit[2] != "a"]:
            del kept[unit]
    made = rows.write(tmp_path_factory.mktemp("report") / "warehouse")
    place = {"model": "bert", "checkpoint": "main", "site": "ffn", "scope": "one+two"}
    with made.run("clusters", {**place}, {"k": [2, 3]}) as run:
        curves = [(layer, k, 100.5 * (layer + 1) / k, 50) for layer in range(LAYERS) for k in (2, 3)]
        run.write("layer_clusters", place, columns(("layer", "k", "sse", "n_vectors"), curves))
        spots = [(layer, n, k, n % k, random.random(), random.random()) for layer, k in SHAPES for n in range(NEURONS)]
        run.write("neuron_clusters", place, columns(("layer", "neuron", "k", "cluster", "x", "y"), spots))
    pair = {"model_before": "bert", "checkpoint_before": "main", "model_after": "tuned", "checkpoint_after": "main"}
    with made.run("distances", pair, {}) as run:
        for corpus in sorted({row[0] for row in DISTANCES}):
            of = [row[1:] for row in DISTANCES if row[0] == corpus]
            names = ("split", "n_sentences", "manhattan", "euclidean")
            run.write("checkpoint_distances", {**pair, "corpus": corpus}, columns(names, of))
            layers = [(row[0], layer, row[2] / LAYERS, row[3]) for row in of for layer in range(LAYERS)]
            names = ("split", "layer", "manhattan", "euclidean")
            run.write("layer_distances", {**pair, "corpus": corpus}, columns(names, layers))
    with made.run("model", {"model": "m"}, {}) as run:
        run.write("checkpoints", {"model": "m", "checkpoint": "c"}, described(0))
    return made


@pytest.fixture(scope="module")
def knowledge(across, tmp_path_factory):
    """Return the folder of the report on these, as the command writes it."""
    from nwh.cli.export import report

    app = typer.Typer()
    app.callback()(lambda: None)
    app.command()(report)
    out = tmp_path_factory.mktemp("report") / "knowledge"
    done = CliRunner().invoke(
        app, ["report", "Someone/Bert@main", "--out", str(out)], env={"NWH_WAREHOUSE": across.storage.uri}
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out / "index.html")
    return out


@pytest.fixture(scope="module")
def activations(warehouse, tmp_path_factory):
    """Return the folder of the report on the warehouse with hostile text."""
    return write_report(warehouse, "tiny@main", tmp_path_factory.mktemp("report") / "activations").parent


# -- both reports --------------------------------------------------------------------------------------------


@pytest.fixture(params=["knowledge", "activations"])
def report(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def limited(request, report, across, warehouse):
    """Return the report's warehouse as `nwh sql` opens it."""
    return open_limited((across if report == request.getfixturevalue("knowledge") else warehouse).storage.uri)


def test_the_sql_beside_an_exhibit_gives_its_rows(report, limited):
    """Each statement runs as `nwh sql` runs it; where there is one, its rows are those of the file."""
    compared = 0
    for shown in read(report).exhibits:
        header, *rows = data_of(report, shown)
        statements = shown.sql.split(";\n\n")
        answers = [limited.sql(statement) for statement in statements]
        if len(statements) == 1:
            found = answers[0].fetchall()
            assert answers[0].columns == header, shown.label
            assert len(found) == len(rows), shown.label
            assert [[same(a, b) for a, b in zip(*both, strict=True)] for both in zip(found, rows, strict=True)] == [
                [True] * len(header)
            ] * len(rows), shown.label
            compared += len(rows)
    assert compared > 100


def same(value, text):
    if isinstance(value, float):
        return math.isclose(value, float(text), rel_tol=1e-9)
    return isinstance(value, list) or str("" if value is None else value) == text


def test_a_page_loads_and_runs_nothing(report):
    """All that it names is in itself or beside it; ids are unique, so that no chart takes another's colours."""
    page = read(report)
    assert not LOADING & set(page.tags)
    assert page.addresses
    for address in page.addresses:
        if address.startswith("#"):
            assert address[1:] in page.ids
        elif not address.startswith("data:image/png;base64,"):
            assert (report / address).stat().st_size > 0
    assert len(page.ids) == len(set(page.ids))
    text = (report / "index.html").read_text()
    referred = re.findall(r"url\(([^)]*)\)", text)
    assert all(name.startswith("#") and name[1:] in page.ids for name in referred)
    assert "default-src 'none'" in text


def test_every_exhibit_says_what_it_is(report):
    page = read(report)
    names = [shown.label for shown in page.exhibits]
    kinds = [name.split("-")[0] for name in names]
    assert names == [f"{kind}-{kinds[: i + 1].count(kind)}" for i, kind in enumerate(kinds)]
    for shown in page.exhibits:
        assert re.search(r"\((view|relation|macro) \w+|Oba et al", shown.caption), shown.caption
        assert shown.sql
        assert (shown.pictures > 0) == shown.label.startswith("figure") == (not shown.rows)
        assert shown.links[0].endswith(".csv")
        assert len(shown.links) == 1 + (shown.pictures or 1)
        assert shown.pictures or shown.links[1].endswith(".tex")
    folders = ("data", "figures", "tables")
    written = {str(path.relative_to(report)) for folder in folders for path in (report / folder).iterdir()}
    assert written == {link for shown in page.exhibits for link in shown.links}


def test_figures_are_files_of_their_own_too(report):
    drawn = list((report / "figures").iterdir())
    assert drawn
    for path in drawn:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


# -- knowledge neurons, clusters, distances ------------------------------------------------------------------


def test_table_3_is_what_is_stored(knowledge):
    shown = read(knowledge).exhibit("Distances of sentences between bert@main and tuned@main")
    assert shown.rows[1:] == [
        ["reuters", "train", "9", "2161", "34.8"],
        ["reuters", "test", "8", "1948", "31.2"],
        ["<b>x", "all", "7", "1.5", "0.25"],
    ]
    found = [(*row[:2], int(row[2]), *map(float, row[3:])) for row in data_of(knowledge, shown)[1:]]
    assert found == DISTANCES


def test_figures_of_the_knowledge_study(knowledge, across):
    page = read(knowledge)
    for operation in ("zero", "double"):
        shown = page.exhibit(f"Relative change of answers under {operation}, a.")
        assert shown.pictures == 2
        kinds = {(row[1], row[2]) for row in data_of(knowledge, shown)[1:]}
        assert len(kinds) == 4, "both polarities, both arms"
        assert page.exhibit(f"Rank change under {operation} of frequent and rare concepts (given), a.").pictures == 1
    for title in (
        "Contributing neurons by layer, a.",
        "Mean attribution of contributing neurons by layer, a.",
        "Concepts per neuron at main, a.",
        "Stability of contributing neurons, a.",
        "Overlap of checkpoints, a.",
        "Acquisition by frequency (given), a.",
        "Correlation of frequency and rank change by checkpoint, a.",
    ):
        assert page.exhibit(title).pictures == 1
    assert len(page.exhibit("Frequency against acquisition and rank change, a.").rows) == 1 + 2 * (1 + 5)
    counts = data_of(knowledge, page.exhibit("Contributing neurons per concept, a."))[1:]
    per_concept = (
        "select avg(n_neurons) from knowledge_neurons_per_concept where model = 'bert' and checkpoint = 'step9'"
    )
    mean = across.sql(per_concept).fetchall()[0][0]
    assert {row[0]: float(row[1]) for row in counts}["step9"] == pytest.approx(mean)
    concepts = [row[-1].split(", ") for row in page.exhibit("Neurons of several concepts at main, a.").rows[1:]]
    assert any(CONCEPTS[6] in names for names in concepts)
    assert "i" not in page.tags


def test_maps_have_a_picture_of_each_layer(knowledge):
    shown = read(knowledge).exhibit("Map of neurons at ffn, over one+two")
    assert shown.pictures == len(SHAPES)
    assert len(data_of(knowledge, shown)) == 1 + NEURONS * len(SHAPES)
    of_layer = (knowledge / shown.links[1]).read_text()
    assert of_layer.count('aria-roledescription="point"') + of_layer.count('aria-roledescription="circle"') >= NEURONS


def test_what_there_is_nothing_of_is_left_out_and_said(across, tmp_path):
    class Told(Progress):
        def __init__(self):
            self.notes = []

        def note(self, text):
            self.notes.append(text)

    told = Told()
    empty = read(write_report(across, "m", tmp_path / "out", progress=told).parent)
    assert list(empty.sections) == ["What was run"]
    assert [shown.caption.split(". ")[1] for shown in empty.exhibits] == ["Checkpoints of m", "Runs behind this report"]
    assert len(told.notes) == len(set(told.notes)) == 4
    assert all(note.startswith("left out: There are no ") and "\n  nwh ingest " in note for note in told.notes)
    assert any("nwh ingest activations --model m --checkpoint c --corpus NAME" in note for note in told.notes)


def test_findings_come_first_and_references_last(knowledge):
    titles = list(read(knowledge).sections)
    assert titles[-2:] == ["What was run", "References"]
    listed = (knowledge / "references.bib").read_text()
    assert {"ariyama-2024", "dai-etal-2021", "oba-etal-2021"} == set(re.findall(r"@\w+\{(.*),", listed))
    assert "Knowledge Neurons in Pretrained Transformers" in read(knowledge).sections["References"]


def test_tables_are_there_for_a_paper(knowledge):
    shown = read(knowledge).exhibit("Distances of sentences between bert@main and tuned@main")
    text = (knowledge / shown.links[1]).read_text()
    first = [line.split("&")[0].strip() for line in text.splitlines() if line.endswith(r"\\")]
    assert first == ["corpus", "reuters", "reuters", r"\textless{}b\textgreater{}x"]
    assert r"\toprule" in text


# -- activations ---------------------------------------------------------------------------------------------


def test_text_from_corpora_stays_text(activations, warehouse):
    """What a warehouse says is read back as it is; none of its tags is one of the page's."""
    of_hostile = replace(
        subject_of(warehouse, "tiny", ["ffn/1/5"]), extents=[Extent("tiny", "main", "ffn", 3, 24, ("hostile",))]
    )
    sentences = neurons.typical_neurons(of_hostile).content[1]
    shown = Reader(page.exhibit(sentences, "Table 1", [], []))
    assert [row[-1] for row in shown.exhibits[0].rows[1:]] == [row[-1] for row in sentences.shown.rows]
    assert len({(row[0], row[-1]) for row in sentences.shown.rows}) == len(sentences.shown.rows) == 3
    assert {row[-1] for row in sentences.facts.rows} <= set(HOSTILE)

    facts = Answer(["<i>a", "b"], [(HOSTILE[0], [HOSTILE[2], "x"]), ("<b>", None)], "select '<u>'")
    shown = Reader(page.exhibit(Exhibit("n", "<em>t", "<s>", facts), "Table 1", [], []))
    assert shown.exhibits[0].rows == [["<i>a", "b"], [HOSTILE[0], f"{HOSTILE[2]}, x"], ["<b>", ""]]
    assert shown.exhibits[0].sql == "select '<u>'"
    assert shown.exhibits[0].caption == "Table 1. <em>t. <s>"
    whole = Reader(page.page("<script>", "<i>", [("<u>", [page.references(["<s>"], "<em>")])]))
    assert not {"script", "img", "i", "em", "u", "s"} & {*shown.tags, *whole.tags, *read(activations).tags}


def test_strongest_sentences_are_the_stored_ones(activations, warehouse):
    for site in ("hidden", "ffn"):
        shown = read(activations).exhibit(f"Sentences that activate these neurons at {site} most")
        rows = data_of(activations, shown)[1:]
        assert rows
        for name in dict.fromkeys(row[0] for row in rows):
            _, layer, neuron = name.split("/")
            stored = warehouse.sql(
                "select activation, text from neuron_topk inner join sentences using (sentence_id) where site = $1 "
                "and layer = $2 and neuron = $3 and pole = 'top' order by activation desc, sentence_id limit 15",
                params=[site, int(layer), int(neuron)],
            ).fetchall()
            assert [(float(row[2]), row[-1]) for row in rows if row[0] == name] == stored


def test_lengths_are_drawn_for_every_neuron(activations):
    page = read(activations)
    # all sentences of `hostile` are in every top, so that lengths do not vary there: no correlation to draw
    assert not [shown for shown in page.exhibits if re.search(r"two layers, at \w+, over hostile", shown.caption)]
    for site, width in (("hidden", 16), ("ffn", 24)):
        for corpus in ("plain", "hostile"):
            shown = page.exhibit(f"Mean length of top sentences at {site}, over {corpus}")
            assert shown.pictures == 1
            assert 0 < len(data_of(activations, shown)) - 1 <= 3 * width
        pairs = data_of(activations, page.exhibit(f"same length in two layers, at {site}, over plain"))
        assert {(row[0], row[1]) for row in pairs[1:]} == {("0", "1"), ("0", "2"), ("1", "2")}


def test_neurons_asked_for_are_described(warehouse, tmp_path):
    section = neurons.typical_neurons(subject_of(warehouse, "tiny", ["ffn/1/5", "ffn/1/7"]))
    table, sentences = section.content
    assert table.shown.columns == ["", "ffn/1/5", "ffn/1/7"]
    assert {"mean length", "parts of speech"} <= {row[0] for row in table.shown.rows}
    assert len(sentences.facts.rows) == 2 * 15
    assert [row[:2] for row in sentences.shown.rows][:5] == [("ffn/1/5", rank) for rank in range(1, 6)]
    stored = warehouse.sql(
        "select corpus, mean_tokens from neuron_length where site = 'ffn' and layer = 1 and neuron = 7 and pole = 'top'"
    ).fetchall()
    found = [row[2:4] for row in table.facts.rows if row[:2] == ("ffn/1/7", "mean length") and row[3][:3] == "top"]
    assert sorted((corpus, text.split(",")[0]) for corpus, text in found) == sorted(
        (corpus, f"top {mean:.1f}") for corpus, mean in stored
    )
    for wrong, message in (("hidden/9/0", "has layers 0 to 2"), ("ffn/x", "does not name a neuron")):
        with pytest.raises(UsageError, match=message):
            write_report(warehouse, "tiny", tmp_path / "other", [wrong])
    assert not (tmp_path / "other").exists()


# -- the folder ----------------------------------------------------------------------------------------------


def test_only_an_earlier_report_is_replaced(knowledge, across, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="is no earlier report"):
        write_report(across, "m", folder)
    assert files(folder) == {"thesis.tex": b"mine"}
    shutil.copytree(knowledge, folder, dirs_exist_ok=True)
    (folder / "data" / "notes.csv").write_text("mine")
    write_report(across, "m", folder)
    now = read(folder)
    assert "Neurons of m" in now.texts
    left = {link for shown in now.exhibits for link in shown.links} | {"data/notes.csv", "thesis.tex", "index.html"}
    assert set(files(folder)) == left


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_that_is_not_there(across, tmp_path):
    with pytest.raises(UsageError, match=r"no model 'gpt'.* bert, m, solo, untrained"):
        write_report(across, "gpt", tmp_path / "out")
    with pytest.raises(UsageError, match="bert has no checkpoint 'step7' here; it has step0, step9, step20"):
        write_report(across, "bert@step7", tmp_path / "out")


# -- parts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["it's", "$name", "a\nb", "", 7, -2.5, 1e-300, None, True, ["x", "y'z"], [], [1, 2]], ids=repr
)
def test_values_written_out_are_the_values(across, value):
    query = "select $value as value, $name as name"
    params = {"value": value, "name": "$value"}
    assert across.sql(written_out(query, params)).fetchall() == across.sql(query, params=params).fetchall()


def test_many_marks_become_pixels():
    import altair as alt

    rows = [{"x": int(x), "y": int(y)} for x, y in np.ndindex(40, 40)]
    chart = alt.Chart({"values": rows}, height=200).mark_point().encode(x="x:Q", y="y:Q", color="x:Q")
    drawn = {n: drawing.draw(chart, "name", "a <title>", 300, n) for n in (1600, 5001)}
    assert {n: picture.suffix for n, picture in drawn.items()} == {1600: "svg", 5001: "png"}
    width, height = np.frombuffer(drawn[5001].content[16:24], ">u4")
    assert (width, height) == (600, 400)
    for picture in drawn.values():
        assert "a &lt;title&gt;" in picture.html
        assert "<title" not in picture.html
    assert drawing.draw(chart, "name", "a <title>", 300, 1600) == drawn[1600]


@pytest.mark.browser
@pytest.mark.slow
def test_in_a_browser(knowledge, browser):
    for width in (1280, 390):
        chrome = browser(width, 2000)
        chrome.get((knowledge / "index.html").as_uri())
        drawn = chrome.execute_script(
            "return [...document.querySelectorAll('figure svg, figure img')].map(e => e.getBoundingClientRect().width)"
        )
        assert len(drawn) > 15
        assert min(drawn) > 100
        assert max(drawn) <= width
        assert not chrome.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
        assert chrome.get_log("browser") == []
    resize(chrome, 660)  # what A4 leaves between its margins
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    widths = "return [...document.querySelectorAll('table, svg, img')].map(e => e.getBoundingClientRect().right)"
    assert max(chrome.execute_script(widths)) <= 660
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
