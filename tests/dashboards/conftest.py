"""A small real warehouse, the pages served over it, and a real browser."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.conftest import WORDS

HOSTILE = [
    "<script>document.title = 'the cat'</script> sees the bird & the dog.",
    "__The cat__ *loves* the $x^2$ river, [the](https://example.org) dog and :red[red] `trees`.",
    "<img src=x onerror=alert(1)> the old king hates the quick dog.",
]
FLAGS = ["headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
FLAGS += ["disable-component-update", "disable-sync", "hide-scrollbars"]


@pytest.fixture(scope="session")
def warehouse(tmp_path_factory, tiny_bert):
    """Return a warehouse with corpora `plain` and `hostile` run through a tiny BERT at both sites, K = 20.

    `plain` has (flat) trees, and the patterns of layer 1's ffn neurons are mined.
    """
    from nwh.ingest.activations.job import Settings, ingest_activations
    from nwh.ingest.annotation.tree_files import ingest_trees
    from nwh.ingest.models import load
    from nwh.ingest.patterns.job import ingest_patterns
    from nwh.ingest.patterns.mining.patterns import Rules
    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import Document
    from nwh.warehouse import Warehouse

    random = Random(7)
    plain = [
        Document(
            f"d{i}",
            f"{' '.join(random.choices(WORDS, k=random.randint(3, 12))).capitalize()}.",
            [("author", random.choice(["ann", "bob"]))],
        )
        for i in range(60)
    ]
    hostile = [
        Document(f"h{i}", text, [("author", "<b>eve</b>"), ("topic", "**x**")]) for i, text in enumerate(HOSTILE * 2)
    ]
    made = Warehouse.create(tmp_path_factory.mktemp("dashboards") / "warehouse")
    for name, documents in {"plain": plain, "hostile": hostile}.items():
        ingest_corpus(made, name, f"{name}.jsonl", lambda documents=documents: iter(documents))
    ingest_activations(
        made, load(str(tiny_bert), name="tiny", device="cpu"), ["plain", "hostile"], Settings(k=20, sample=0)
    )
    trees = tmp_path_factory.mktemp("trees") / "plain.mrg"
    sentences = made.sql("select text from sentences where corpus = 'plain' order by sentence_id").fetchall()
    trees.write_text(
        "".join(f"(S {' '.join(f'(NN {w})' for w in text[:-1].split())} (. .))\n" for (text,) in sentences)
    )
    ingest_trees(made, "plain", trees)
    ingest_patterns(made, "tiny", "main", Rules(0.05, 2), corpora=["plain"], sites=["ffn"], layers=[1])
    return made


@contextmanager
def served(uri: str, log: Path, port: int | None = None) -> Iterator[str]:
    """Run `nwh dashboard` over a warehouse, on a free port if none is named; yield its address."""
    port = port or free_port()
    command = [sys.executable, "-c", "from nwh.cli import main; main()"]
    command += ["--warehouse", uri, "dashboard", "--port", str(port)]
    with open(log, "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "OMP_NUM_THREADS": "1"})
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(90)  # on a busy machine it takes its time
    said = log.read_text()
    assert f"Pages at http://127.0.0.1:{port}" in said
    assert "nanobind" not in said, "what ends must not look like a crash"
    assert not any(word in said for word in ("Stopping", "WARNING"))
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0, "the server must end with `nwh dashboard`"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer: {log.read_text()}")


@pytest.fixture(scope="session")
def serve() -> Callable[[str, Path], object]:
    """Return `served`."""
    return served


@pytest.fixture(scope="module")
def address(serve, warehouse, tmp_path_factory):
    """Return the address of the pages over the warehouse, served while a file's tests run."""
    with serve(warehouse.storage.uri, tmp_path_factory.mktemp("server") / "log") as base:
        yield base


@contextmanager
def chromium(profile: Path) -> Iterator[Any]:
    """Run headless Chromium with a new profile."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver"))) as chrome:
        yield chrome


def resize(chrome: Any, width: int, height: int = 1000, dark: bool = False) -> None:
    """Set the page's own size, as a phone has it (headless windows have a least width), and its colours."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


@pytest.fixture(scope="session")
def one_browser(tmp_path_factory):
    """Return headless Chromium for all tests, since it takes seconds to start, or skip where it is not installed."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        pytest.skip("chromium and chromedriver are not installed")
    with chromium(tmp_path_factory.mktemp("chromium") / "profile") as chrome:
        yield chrome


@pytest.fixture
def browser(one_browser):
    """Return a function that makes the browser's window of a size, on an empty page and with nothing said before."""

    def window(width: int, height: int = 1000, dark: bool = False):
        one_browser.get("about:blank")
        one_browser.get_log("browser")  # what earlier tests left there
        resize(one_browser, width, height, dark)
        return one_browser

    return window


@pytest.fixture
def made_of(monkeypatch):
    """Return a list of what the figures of pages are made of, filled as pages are run."""
    from nwh.dashboards.parts import exhibits
    from tests.dashboards.shown import Figure

    made, offer = [], exhibits.source

    def offered(*arguments):
        made.append(Figure(*arguments))
        offer(*arguments)

    monkeypatch.setattr(exhibits, "source", offered)
    return made
