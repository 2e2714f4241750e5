"""The warehouse that pages read: opened once, and again when a run has stored something since."""

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from hashlib import sha256
from importlib import import_module
from threading import Thread
from typing import Any, TypeVar

import streamlit as st

from nwh.dashboards.html.markup import code_span
from nwh.warehouse import Warehouse, limited_sql, memory, queries
from nwh.warehouse.storage.files import Storage
from nwh.warehouse.storage.tables import Tables

T = TypeVar("T")
memory.divide_among(2)  # what pages ask, and what users ask
_beside = ThreadPoolExecutor(1, "ask-ahead")  # beside the page's own thread: a second one would slow both down
_AHEAD = "asked ahead"
"""Session state: what the page under way asks ahead."""
_TIMES = "query_times"
"""Session state: (question, seconds that the page waited for it) of the page under way."""


def warehouse() -> Warehouse:
    """Return the warehouse `$NWH_WAREHOUSE` as of its last completed run; StorageError where there is none."""
    st.session_state[_TIMES] = []
    return opened()


def opened() -> Warehouse:
    """Return the same outside of a page."""
    return _opened(*_place())


def prepare() -> None:
    """Open the warehouse, and keep what every page and the first one ask, before there is a page."""
    found = opened()
    for_all = (queries.neurons.extents, queries.knowledge.all_series, queries.layers.maps)
    for question in (*for_all, queries.home.models, queries.home.corpora, queries.home.datasets):
        _kept(found, question)
    found.units  # noqa: B018  (the home page's list of jobs)


def limited() -> Warehouse:
    """Return the same for statements that users write: it reads what `nwh sql` reads, and nothing else."""
    return _limited(*_place())


@lru_cache(maxsize=4)
def runs(warehouse: Warehouse) -> str:
    """Return what tells apart a warehouse before and after a run, as a key for what is kept of it."""
    files = sorted(warehouse.snapshot.get("runs", ()))
    return sha256("\n".join([warehouse.storage.uri, *files]).encode()).hexdigest()


def ask(warehouse: Warehouse, question: Callable[..., T], *arguments: Any) -> T:
    """Return the answer to a question, asked again only when a run has stored something since; `footer` times it."""
    began = time.monotonic()
    answer = _kept(warehouse, question, *arguments)
    took(question.__name__, time.monotonic() - began)
    return answer


def ask_ahead(warehouse: Warehouse, *questions: tuple[Any, ...]) -> None:
    """Begin to answer questions, each with its arguments, that the page asks later: `ask` then waits for them alone.

    DuckDB plans a question on one processor, which takes longer than to answer most; the page's own work is on another.
    What an earlier run of the page has asked ahead and nobody waits for any more is left out.
    """
    for asked in st.session_state.get(_AHEAD, ()):
        asked.cancel()
    st.session_state[_AHEAD] = [_beside.submit(_kept, warehouse, *question) for question in questions]


def tab(title: str) -> None:
    """Name the browser's tab, so that several open ones, bookmarks and the history can be told apart."""
    st.set_page_config(page_title=f"{title} · nwh")


def took(question: str, seconds: float) -> None:
    """Tell the footer how long the page waited for an answer."""
    st.session_state.setdefault(_TIMES, []).append((question, seconds))


def footer() -> None:
    """Say at the foot of a page how long its queries took."""
    times = st.session_state.get(_TIMES)
    if not times:
        return
    slowest, longest = max(times, key=lambda each: each[1])
    total = sum(seconds for _, seconds in times)
    queries = f"{len(times)} queries" if len(times) > 1 else "1 query"
    several = f", the longest {longest * 1000:,.0f} ms ({code_span(slowest.replace('_', ' '))})"
    st.caption(f"{queries} in {total * 1000:,.0f} ms{several if len(times) > 1 else ''}")


def _kept(warehouse: Warehouse, question: Callable[..., T], *arguments: Any) -> T:
    name = f"{question.__module__.rpartition('.')[2]}.{question.__name__}"
    answer: T = _answer(warehouse, question, runs(warehouse), name, arguments)
    return answer


def _place() -> tuple[str, int]:
    """Return the warehouse's address and its version: each completed run makes a new one of its `runs` table."""
    tables = _tables(os.environ.get("NWH_WAREHOUSE") or "nwh-data")
    return tables.storage.uri, tables.version()


@cache
def _tables(address: str) -> Tables:
    """Return the same tables each time, which see whether there is a later version many times faster than new ones."""
    return Tables(Storage(address))


@st.cache_resource(max_entries=2, show_spinner=False)
def _opened(uri: str, version: int) -> Warehouse:
    found = Warehouse.open(uri)
    _ = found.connection  # made here, where one session at a time is let in
    for module in ("numpy", "pandas", "pyarrow.compute"):
        import_module(module)  # charts look at what is imported: they must not find what the thread has half imported
    gc.freeze()  # what is imported stays: no need to look for garbage there after every run of a page
    return found


@st.cache_resource(show_spinner=False)
def import_models() -> None:
    """Begin to import what runs models, which takes seconds; a model itself is loaded when a page needs it."""

    def of_models() -> None:
        import_module("nwh.ingest.activations.text_activations")
        gc.freeze()  # a third of a second after every run of a page, in which no other is served

    Thread(target=of_models, daemon=True).start()


@st.cache_resource(max_entries=2, show_spinner=False)
def _limited(uri: str, version: int) -> Warehouse:
    return limited_sql.open_limited(uri)


@st.cache_data(max_entries=500, show_spinner=False)
def _answer(_warehouse: Warehouse, _question: Callable[..., T], runs: str, name: str, arguments: tuple[Any, ...]) -> T:
    return _question(_warehouse, *arguments)
