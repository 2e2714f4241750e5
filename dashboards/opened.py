"""The warehouse that pages read: opened once, and again when a run has stored something since."""

import os

import streamlit as st

from warehouse import Warehouse
from warehouse.storage import Storage
from warehouse.tables import Tables


def warehouse() -> Warehouse:
    """Return the warehouse `$NWH_WAREHOUSE` as of its last completed run; StorageError where there is none."""
    storage = Storage(os.environ.get("NWH_WAREHOUSE") or "nwh-data")
    return _opened(storage.uri, Tables(storage).version())


@st.cache_resource(max_entries=2, show_spinner=False)
def _opened(uri: str, version: int) -> Warehouse:
    """Open a warehouse; each completed run makes a new version of its `runs` table."""
    found = Warehouse.open(uri)
    _ = found.connection  # made here, where one session at a time is let in
    return found
