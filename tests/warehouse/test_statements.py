"""Statements with their values written out give the rows that they give with parameters."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwh.warehouse import queries
from nwh.warehouse.queries.answers import Answer
from nwh.warehouse.statements import sql_literal, written_out

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as made:
        yield made


def one(connection, query, params=None):
    ((value,),) = connection.execute(query, params).fetchall()
    return value


@given(value=SCALARS | st.lists(TEXT, min_size=1) | st.lists(st.integers(-(2**31), 2**31), min_size=1))
def test_a_literal_is_the_value(connection, value):
    assert one(connection, f"select {sql_literal(value)}") == value


@given(value=st.floats() | st.floats(-1000, 1000))
def test_a_number_keeps_every_bit(connection, value):
    written = one(connection, f"select ({sql_literal(value)})::double")
    assert written == value or (written != written and value != value)
    if value == value:
        assert one(connection, f"select ({sql_literal(value)})::double = $value::double", {"value": value})


def test_values_that_look_like_sql_or_parameters_stay_values(connection):
    params = {"k": 3, "name": "it's $k; drop table t --", "kinds": ["$name", "a'b"], "none": None}
    query = "select $k as k, $name as name, $kinds as kinds, $none::integer as none, $k + 1 as more"
    assert "$" not in written_out("select $k", params)
    assert connection.execute(written_out(query, params)).fetchall() == connection.execute(query, params).fetchall()


@pytest.fixture
def asked(add_corpus, tmp_path):
    from nwh.warehouse import Warehouse

    made = Warehouse.create(tmp_path / "warehouse")
    add_corpus(made, "it", 9)
    query = "select position % 3 as third, sentence_id, text from sentences where corpus = $corpus order by 2 desc"
    return made, queries.answers.ask(made, query, corpus="it")


def test_an_answer_says_what_gives_its_rows(asked):
    made, answer = asked
    assert answer.rows
    assert made.sql(answer.sql).fetchall() == answer.rows
    first = answer.first(4)
    assert first.rows == answer.rows[:4]
    assert made.sql(first.sql).fetchall() == first.rows
    third = answer.rows[0][0]
    part = answer.part("third", third)
    assert part.columns == ["sentence_id", "text"]
    assert part.rows == [row[1:] for row in answer.rows if row[0] == third]
    assert made.sql(part.sql).fetchall() == part.rows
    text = part.rows[0][1]
    of_part = part.part("text", text)
    assert made.sql(of_part.sql).fetchall() == of_part.rows


def test_rows_made_otherwise_have_no_statement():
    made = Answer(["class", "n"], [("a", 1), ("b", 2)])
    assert made.sql is None
    assert made.part("class", "b") == Answer(["n"], [(2,)])
    assert made.first(1) == Answer(["class", "n"], [("a", 1)])
