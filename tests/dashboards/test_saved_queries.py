"""Statements kept as files, and the SQL page that lists them."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards.parts import saved_queries
from nwh.warehouse import Warehouse
from tests.dashboards.shown import files

HOSTILE = "<img src=x onerror=alert(1)> **bold** :red[x]"


@pytest.fixture
def made(tmp_path, monkeypatch):
    made = Warehouse.create(tmp_path / "warehouse")
    monkeypatch.setenv("NWH_WAREHOUSE", made.storage.uri)
    monkeypatch.delenv("NWH_QUERIES", raising=False)
    return made


def open_page(**address):
    def script():
        from nwh.dashboards.pages import sql_page

        sql_page.page()

    app = AppTest.from_function(script, default_timeout=60)
    app.query_params.update(address)
    return run(app)


def run(app):
    app.run()
    assert not app.exception
    return app


def test_files_are_listed_by_name_with_their_first_comment(tmp_path):
    folder = tmp_path / "kept"
    assert saved_queries.saved(folder) == []
    folder.mkdir()
    (folder / "b.sql").write_text("select 2\n")
    (folder / "a.sql").write_text("\n-- What runs took.\n-- More.\nselect 1 as one;\n")
    (folder / "no.txt").write_text("select 3")
    (folder / "bytes.sql").write_bytes(b"\xff\xfe\x00")
    (folder / "folder.sql").mkdir()
    found = saved_queries.saved(folder)
    assert [(each.name, each.about) for each in found] == [("a", "What runs took."), ("b", "")]
    assert found[0].sql == "-- What runs took.\n-- More.\nselect 1 as one;"


def test_the_folder_is_the_warehouses_or_the_one_named(made, tmp_path, monkeypatch):
    assert saved_queries.folder(made) == tmp_path / "warehouse" / "queries"
    monkeypatch.setenv("NWH_QUERIES", str(tmp_path / "mine"))
    assert saved_queries.folder(made) == tmp_path / "mine"


def test_a_saved_query_is_run_with_a_press_and_the_one_at_hand_can_be_kept(made):
    folder = saved_queries.folder(made)
    app = open_page()
    assert any(str(folder) in caption.value for caption in app.caption)
    assert "Download .sql" not in files(app)
    folder.mkdir()
    (folder / "answer.sql").write_text(f"-- {HOSTILE}\nselect 6 * 7 as answer;\n")
    run(app)
    button = app.button(key="sql_saved_answer")
    assert re.sub(r"`[^`]*`", "", button.label) == ": "
    button.click()
    run(app)
    assert app.query_params["query"].endswith("select 6 * 7 as answer;")
    assert app.dataframe[0].value.to_dict("records") == [{"answer": 42}]
    assert "Download .sql" in files(app)
    written = " ".join(element.value for element in [*app.markdown, *app.caption])
    assert "onerror" not in re.sub(r"`[^`]*`", "", written)
