"""Milliseconds until Chromium shows each page, on a warehouse as large as you have.

    python -m tests.benchmarks.bench_browser --warehouse DIR [--rounds 3] [--only neuron] [--seed 0]

Starts `nwh dashboard` on a free port and opens every page that has data: each round another neuron, pattern, figure or
cluster, drawn with a seed. `load` is a fresh document with scripts in the browser's cache; `within` is going to the
same page from the SQL page of the open application, as Back does, or with the button named. `shown` is when the page's
main table, list or chart is there, `all` when the page's script has ended, so that the footer is there too, and no
skeleton, spinner or chart without marks is left. Times are medians of the rounds and are taken by the browser itself,
from the start of the navigation or the click: a driver that looks from outside adds its own. The first row is an empty
Streamlit page, the least that any page takes.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import urlencode

from nwh.warehouse import Warehouse, queries
from nwh.warehouse.queries.answers import ask
from nwh.warehouse.queries.search import Filters, by_metadata
from tests.dashboards.conftest import chromium, free_port, resize, served, wait_for

TABLE, CHART = (
    "table tbody tr, [data-testid=stDataFrame] canvas",
    "[data-testid=stVegaLiteChart] :is(svg.marks path, canvas.marks)",
)
SENTENCES, TOKENS = ".nwh-sentences li", ".nwh-sentences .nwh-token"
LONGEST, SETTLED = 90, 0.7  # seconds to wait for a page, and without a change until it is at rest
EMPTY = "import streamlit as st; st.html('<table><tr><td>1</td></tr></table>')"
TIMER = """
window.timer = {
  begin(selector) {
    document.querySelectorAll(selector).forEach(each => each.old = true);
    Object.assign(this, {start: performance.now(), selector, shown: null, all: null});
  },
  look() {
    const now = performance.now() - this.start;
    if (this.shown === null && [...document.querySelectorAll(this.selector)].some(each => !each.old)) this.shown = now;
    // what is in tabs behind the first is not drawn before these are opened
    const seen = selector => [...document.querySelectorAll(selector)].filter(each => each.checkVisibility());
    const done = this.shown !== null && document.querySelector('[data-test-script-state=notRunning]') !== null
      && seen('[data-testid=stSkeleton], [data-testid=stSpinner]').length === 0
      && seen('[data-testid=stVegaLiteChart]').every(each => each.querySelector("svg.marks, canvas.marks"));
    if (!done) this.all = null; else if (this.all === null) this.all = now;
  },
};
Object.assign(timer, {start: 0, selector: 'SELECTOR', shown: null, all: null});
new MutationObserver(() => timer.look()).observe(
  document, {childList: true, subtree: true, attributes: true, attributeFilter: ['data-test-script-state']});
"""
TO = "history.pushState({}, '', arguments[0]); window.dispatchEvent(new PopStateEvent('popstate', {state: {}}));"
PRESS = "[...document.querySelectorAll('button')].find(each => each.innerText.trim() === arguments[0]).click();"


@dataclass(frozen=True)
class Visit:
    """A page by the name it is reported under: its addresses, one a visit, and what shows its data.

    button: going there within the application is pressing this on the page instead.
    """

    name: str
    addresses: list[str]
    data: str
    button: str = ""


class Window:
    """A window of Chromium that times pages."""

    def __init__(self, chrome: Any) -> None:
        """Take a browser."""
        self.chrome, self.installed = chrome, ""

    def load(self, address: str, data: str) -> tuple[float, float]:
        """Return the milliseconds until a fresh document shows its data, and all."""
        if self.installed:
            self.chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": self.installed})
        source = {"source": TIMER.replace("SELECTOR", data)}
        self.installed = self.chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", source)["identifier"]
        self.chrome.get(address)
        return self._times(address)

    def within(self, script: str, argument: str, data: str) -> tuple[float, float]:
        """Return the same for what a script does in the open document."""
        self.chrome.execute_script(f"timer.begin(arguments[1]); {script}", argument, data)
        return self._times(argument)

    def text(self) -> str:
        """Return what the page says."""
        return str(self.chrome.find_element("tag name", "body").text)

    def _times(self, what: str) -> tuple[float, float]:
        deadline, last, since = time.monotonic() + LONGEST, None, time.monotonic()
        while time.monotonic() < deadline:
            now = self.chrome.execute_script("return [timer.shown, timer.all]")
            if now != last:
                last, since = now, time.monotonic()
            if None not in now and time.monotonic() - since > SETTLED:
                return float(now[0]), float(now[1])
            time.sleep(0.1)
        raise SystemExit(f"{what} is not shown after {LONGEST} s ({last}); it says: {self.text()[:1500]}")


def visits(warehouse: Warehouse, n: int, seed: int) -> Iterator[Visit]:
    """Yield the pages of a warehouse that have data, each with n addresses; one more for what is cached after it."""
    random = Random(seed)

    def some(page: str, options: list[dict[str, Any]]) -> list[str]:
        drawn = random.sample(options, n) if len(options) >= n else [random.choice(options) for _ in range(n)]
        return [f"{page}?{urlencode(each)}" for each in drawn]

    yield Visit("home", ["home"] * n, TABLE)
    extent = max(queries.neurons.extents(warehouse), key=lambda of: of.n_neurons * len(of.corpora))
    model = {"model": f"{extent.model}@{extent.checkpoint}"}
    neurons = [
        model | {"site": extent.site, "layer": i // extent.n_neurons, "neuron": i % extent.n_neurons}
        for i in random.sample(range(extent.n_layers * extent.n_neurons), 4 * n)
    ]
    yield Visit("neuron", some("neuron", [each | {"tokens": "off"} for each in neurons[:n]]), SENTENCES)
    yield Visit("neuron: Next", some("neuron", [each | {"tokens": "off"} for each in neurons[n:]]), SENTENCES, "Next")
    yield Visit("neuron, activation per token", some("neuron", neurons[2 * n :]), TOKENS)
    yield Visit("neuron, activation per token: Next", some("neuron", neurons[3 * n :]), TOKENS, "Next")
    for kind in ("word", "tag", "tree"):
        query = "select array_to_string(pattern, ' ') from neuron_patterns where kind = $kind and layer = 0"
        found = ask(warehouse, f"{query} and neuron < 4 order by hash(pattern, neuron) limit 500", kind=kind).rows
        if found:
            options = [
                model | {"by": kind, "pattern": pattern, "lift": 0, "q": 1} for (pattern,) in dict.fromkeys(found)
            ]
            yield Visit(f"search: {kind}", some("search", options), TABLE)
    values = ask(warehouse, "select key, value from corpus_metadata order by corpus_support desc limit 60").rows
    narrow = Filters(extent.model, extent.checkpoint, pole="top")
    told_apart = [(key, value) for key, value in values if by_metadata(warehouse, key, value, narrow, 1).rows]
    if told_apart:
        options = [
            model | {"by": "metadata", "key": key, "value": value, "lift": 0, "q": 1} for key, value in told_apart
        ]
        yield Visit("search: metadata", some("search", options), TABLE)
    yield Visit("search: class", some("search", [{"by": "class", "name": "token detector"}]), TABLE)
    figures = [
        model | {"site": extent.site, "corpus": corpus, "figure": name}
        for corpus in extent.corpora
        for name in ("mean", "std", "skewness", "kurtosis", "mean_tokens")
    ]
    yield Visit("layers", some("layers", figures), CHART)
    for of in queries.layers.maps(warehouse)[:1]:
        yield Visit("map", some("map", [{"layer": layer} for layer in of.layers]), CHART)
    if queries.pairs.pairs(warehouse):
        yield Visit("comparison", ["comparison"] * n, TABLE)
    for series in queries.knowledge.all_series(warehouse)[:1]:
        options = [
            {"model": series.model, "dataset": series.dataset, "concept": concept} for concept in series.concepts
        ]
        yield Visit("concept", some("concept", options), TABLE)
        yield Visit("formation", some("formation", options), CHART)
    counts = [{"query": f"select {i} as i, count(*) as n from corpora"} for i in range(1000)]
    yield Visit("sql", some("sql", counts), TABLE)


@contextlib.contextmanager
def empty_page(folder: Path) -> Iterator[str]:
    """Serve a page that shows a number; yield its address."""
    (folder / "empty.py").write_text(EMPTY)
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(folder / "empty.py"), "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}", "--browser.gatherUsageStats=false"]
    with open(folder / "empty.log", "wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, folder / "empty.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(90)


def measure(window: Window, base: str, visit: Visit, rounds: int) -> list[float]:
    """Return the medians: a load's `shown` and `all`, then those of going there within the application."""
    loads, moves = [], []
    window.load(f"{base}/{visit.addresses[0]}", visit.data)  # its scripts come into the cache
    for load, move in zip(visit.addresses[1::2], visit.addresses[2::2], strict=True):
        loads.append(window.load(f"{base}/{load}", visit.data))
        if visit.button:
            moves.append(window.within(PRESS, visit.button, visit.data))
        else:
            window.load(f"{base}/{'search' if visit.name == 'sql' else 'sql'}", "h1, h2")
            moves.append(window.within(TO, f"/{move}", visit.data))
    return [median(each) for times in (loads, moves) for each in zip(*times, strict=True)]


def peak_of_server(base: str) -> int:
    """Return the most megabytes that the process behind an address has held (Linux)."""
    port = base.rpartition(":")[2].encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"nwh.dashboards.pages.serving" in words and port in words:
                return int((process / "status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    raise SystemExit(f"no process serves {base}")


def main() -> None:
    """Open everything, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warehouse", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="pages whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n = 1 + 2 * options.rounds
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        empty = stack.enter_context(empty_page(folder))
        with chromium(folder / "new") as chrome:
            floor = Window(chrome).load(empty, "table")
        window, port = Window(stack.enter_context(chromium(folder / "profile"))), free_port()
        resize(window.chrome, 1280, 1200)
        with served(options.warehouse, folder / "log", port) as base:
            new = window.load(base, TABLE)
        base = stack.enter_context(served(options.warehouse, folder / "log", port))
        known = window.load(base, TABLE)
        print(f"milliseconds, medians of {options.rounds} rounds\n")
        print("| page | load: shown | load: all | within: shown | within: all |\n|---|---:|---:|---:|---:|")
        loads = [window.load(empty, "table") for _ in range(2 + options.rounds)][2:]
        print(
            "| an empty Streamlit page |",
            " | ".join(f"{median(each):,.0f}" for each in zip(*loads, strict=True)),
            "| | |",
        )
        print(row("an empty Streamlit page in a new browser", floor))
        print(row("the first page after the server's start, in a new browser", new))
        print(row("the same, in a browser that has the scripts", known), flush=True)
        for visit in visits(Warehouse.open(options.warehouse), n, options.seed):
            if options.only in visit.name:
                times = measure(window, base, visit, options.rounds)
                print(row(visit.name, times), flush=True)
        print(f"\nthe server's peak memory: {peak_of_server(base):,} MB")


def row(name: str, times: Sequence[float]) -> str:
    """Return a row of the table."""
    return f"| {name} | {' | '.join(f'{each:,.0f}' for each in times)} |"


if __name__ == "__main__":
    main()
