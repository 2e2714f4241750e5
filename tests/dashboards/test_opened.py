"""What happens once, when the first page opens a warehouse."""

from __future__ import annotations

import gc
import time

import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards import heat, opened
from nwh.warehouse import prepared
from nwh.warehouse.neurons import Neuron


def script():
    from nwh.dashboards import home

    home.page()


@pytest.fixture
def home(monkeypatch, warehouse):
    monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
    opened._opened.clear()
    return AppTest.from_function(script, default_timeout=60)


def test_the_neuron_pages_model_is_loaded_before_it_is_asked_for(home, warehouse, monkeypatch):
    monkeypatch.setattr(heat, "_ran", set())
    gc.unfreeze()
    home.run()
    assert gc.get_freeze_count()
    deadline = time.monotonic() + 60
    while not heat.has_run(warehouse, Neuron("tiny", "main", "ffn", 1, 2)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not heat.has_run(warehouse, Neuron("tiny", "other", "ffn", 1, 2))


def test_what_is_being_prepared_is_said(home, monkeypatch):
    monkeypatch.setattr(prepared, "under_way", lambda warehouse: "words of corpus `brown`")
    home.run()
    assert any(
        each.value.startswith("Being prepared since the start: `` words of corpus `brown` ``.") for each in home.caption
    )


def test_once_prepared_nothing_is_said(home):
    home.run()
    deadline = time.monotonic() + 60
    while any("Being prepared" in each.value for each in home.run().caption):
        assert time.monotonic() < deadline
        time.sleep(0.1)
