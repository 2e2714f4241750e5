"""What the headers of `sql/` say: columns, arguments, views of a macro; and what a file may read."""

from __future__ import annotations

import re

import pytest

from nwh.warehouse import Warehouse
from nwh.warehouse.catalog.dictionary import data_dictionary
from nwh.warehouse.catalog.sql_files import read, reads, sql_files
from nwh.warehouse.schema.glossary import GLOSSARY
from tests.warehouse.catalog.test_duckdb_1 import CALLS

FILE = """-- What it is,
-- in two lines.
-- view: one(t := 0.5, p := 'a, b'): as usual
-- macro: other(p := 'c')
-- grain: neuron
-- argument t: least share,
--   of all
-- argument p: text
-- columns: model, layer,
--   neuron
-- share: of it; see model
create macro one_at(t, p, most := 3) as table
-- of things: from nowhere join
with things as materialized (select * from neuron_topk)

select share_of(rank) from things inner join corpus_sizes using (model) where text = 'from prompts'
"""


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    return Warehouse.create(tmp_path_factory.mktemp("empty"))


def test_a_header_is_read():
    made, view, macro = read("3_things", FILE)
    assert (made.name, made.kind, made.folder, made.is_table) == ("one_at", "macro", "3_things", True)
    assert (made.description, made.grain) == ("What it is, in two lines.", "neuron")
    assert made.arguments == (("t", "least share, of all"), ("p", "text"))
    known = [(name, GLOSSARY[name]) for name in ("model", "layer", "neuron")]
    assert made.columns == (*known, ("share", "of it; see model"))
    assert made.sql.startswith("create macro one_at(")
    assert made.sql.endswith("'from prompts'")

    assert (view.name, view.kind, view.arguments, view.columns) == ("one", "view", (), made.columns)
    assert view.sql == "create view one as\nfrom one_at(t := 0.5, p := 'a, b')"
    assert view.description == f"{made.description} This is `one_at(t := 0.5, p := 'a, b')`: as usual."
    assert (macro.kind, macro.arguments) == ("macro", (("t", "least share, of all"),))
    assert macro.sql == "create macro other(t) as table\nfrom one_at(t, p := 'c')"


@pytest.mark.parametrize(
    ("line", "instead", "error"),
    [
        ("-- grain: neuron\n", "", "states no grain"),
        ("-- columns: model", "-- columns: mdoel", "mdoel"),
        ("-- view: one(", "-- view: one ", "not `view: name"),
        ("create macro", "alter macro", "make a view or macro"),
    ],
)
def test_a_header_that_says_too_little_is_refused(line, instead, error):
    with pytest.raises(ValueError, match=error):
        read("3_things", FILE.replace(line, instead))


def test_a_file_depends_on_what_it_reads_or_calls():
    assert reads(read("3_things", FILE)[0].sql) == {"neuron_topk", "share_of", "corpus_sizes"}


def test_headers_describe_the_columns_and_arguments_that_there_are(empty):
    for question in sql_files():
        if question.is_table:
            call = f"({CALLS[question.name]})" if question.kind == "macro" else ""
            found = empty.sql(f"from {question.name}{call}")
            assert [name for name, _ in question.columns] == found.columns, question.name
            assert question.kind == "macro" or found.fetchall() == [], question.name
        ((parameters,),) = empty.sql(
            "select coalesce(any_value(parameters), []) from duckdb_functions() where function_name = $1",
            [question.name],
        ).fetchall()
        assert [name for name, _ in question.arguments] == parameters, question.name


def test_a_file_reads_its_own_folder_and_those_of_lower_numbers():
    folder = {question.name: question.folder for question in sql_files()}
    assert len({name.split("_")[0] for name in folder.values()}) == len(set(folder.values()))
    for question in sql_files():
        above = {name for name in reads(question.sql) & folder.keys() if folder[name] > question.folder}
        assert not above, question.name


def test_the_dictionary_tells_arguments_from_columns():
    text = data_dictionary()
    (about,) = re.findall(r"^### knowledge_neurons_at\n(.*?)^### ", text, re.MULTILINE | re.DOTALL)
    arguments, columns = about.split("| column | what it holds |")
    assert "| argument of the macro | what it sets |\n|---|---|\n| `t` | threshold" in arguments
    assert "| `p` |" in arguments
    assert "`n_selected`" not in arguments
    assert "| `n_selected` | prompts that selected the neuron |" in columns
    assert "| `t` |" not in columns
