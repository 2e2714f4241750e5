"""What happens once, when the first page opens a warehouse."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from streamlit.testing.v1 import AppTest

from nwh.dashboards import session


def script():
    from nwh.dashboards.pages import home

    home.page()


@pytest.fixture
def home(monkeypatch, warehouse):
    monkeypatch.setenv("NWH_WAREHOUSE", warehouse.storage.uri)
    session._opened.clear()
    return AppTest.from_function(script, default_timeout=60)


def test_opening_a_warehouse_loads_no_model(home, monkeypatch):
    """Whatever `source` names, it is loaded and fetched when somebody asks for it."""
    loaded, before = [], set(threading.enumerate())
    monkeypatch.setattr("nwh.ingest.activations.live_activations._load", lambda *stored, **_: loaded.append(stored))
    gc.unfreeze()
    home.run()
    session.import_models.clear()
    session.import_models()
    assert gc.get_freeze_count()
    deadline = time.monotonic() + 60
    while any(thread.daemon for thread in set(threading.enumerate()) - before):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not loaded
