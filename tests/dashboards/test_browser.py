"""The pages in a real Chromium, served by `nwh dashboard`. `NWH_SCREENSHOTS` names a folder for pictures."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.dashboards.conftest import HOSTILE
from tests.dashboards.contrast import faint
from tests.sql.knowledge_rows import CONCEPTS, Rows

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ADDRESS = "neuron?model=tiny%40main&site=ffn&layer=1&neuron=5&k=5"
TOKENS = ".nwh-sentences .nwh-token"
PAGES = ("", "search", "neuron", "layers", "map", "comparison", "concept", "formation", "sql")


class Page:
    """One browser window on a page, looked at as a user does."""

    def __init__(self, chrome, base):
        self.chrome, self.base = chrome, base

    def open(self, address):
        self.chrome.get(f"{self.base}/{address}")

    def leave(self):
        """Close the page, whose connection a server that ends would wait for."""
        self.chrome.get("about:blank")

    def all(self, selector):
        return self.chrome.find_elements("css selector", selector)

    def until(self, true, what):
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            # The page redraws while we look: elements come and go.
            with suppress(NoSuchElementException, StaleElementReferenceException):
                if true():
                    return
            time.sleep(0.1)
        raise AssertionError(f"waited for {what}; the page says: {self.text()[:2000]}")

    def rests(self):
        """Wait until the page has been run to its end, and shows nothing of what was there before."""
        done = "[data-testid=stApp][data-test-script-state=notRunning]"
        self.until(lambda: self.all(done) and self.all("h1") and not self.all("[data-stale=true]"), "a page at rest")

    def draws(self, n_charts):
        """Wait until the page rests with so many charts; a failure says how many there were, and how each ends."""
        self.rests()
        try:
            self.until(lambda: len(self.all("[data-testid=stVegaLiteChart] svg.marks")) == n_charts, "all charts")
        except AssertionError:
            made = [
                (chart.size, len(chart.find_elements("css selector", "svg.marks")), chart.text[-60:])
                for chart in self.all("[data-testid=stVegaLiteChart]")
            ]
            raise AssertionError(
                f"{len(made)} of {n_charts} charts: {made}; {self.chrome.get_log('browser')}"
            ) from None

    def text(self):
        return self.chrome.find_element("tag name", "body").text

    def address(self):
        return {name: values[0] for name, values in parse_qs(urlsplit(self.chrome.current_url).query).items()}

    def shows(self, name):
        """Wait until a neuron is shown with its heat map and the page is at rest."""
        place = name.split("/", 1)[1]
        self.until(lambda: [heading.text for heading in self.all("h1")] == [place], f"neuron {name} shown")
        self.until(lambda: self.chrome.title == f"{place} {name.split('@')[0]} \N{MIDDLE DOT} nwh", "the tab's title")
        self.until(lambda: self.all(TOKENS) and self.all(".nwh-ramp"), "highlighted tokens")
        self.rests()

    def type(self, label, text):
        from selenium.webdriver.common.keys import Keys

        box = self.chrome.find_element("css selector", f"input[aria-label='{label}']")
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(text, Keys.ENTER)

    def press(self, label):
        found = f"//button[normalize-space()='{label}']"
        self.until(lambda: self.chrome.find_element("xpath", found).click() is None, f"button {label}")

    def no_complaint(self):
        """Neither an exception box nor an error in the console."""
        assert not self.all("[data-testid=stException]")
        said = [entry["message"] for entry in self.chrome.get_log("browser") if entry["level"] == "SEVERE"]
        # At the address of a page, Streamlit asks below it for its own endpoints before it asks at the root.
        assert [message for message in said if not re.search(r"/[a-z]+/_stcore/.* 404 ", message)] == []

    def picture(self, name):
        if folder := os.environ.get("NWH_SCREENSHOTS"):
            time.sleep(2)  # charts are drawn after everything else
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.chrome.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_the_neuron_page(address, browser):
    page = Page(browser(1280), address)
    page.open(ADDRESS)
    page.shows("tiny@main/ffn/1/5")
    assert len(page.all(".nwh-sentences li")) == 10
    colours = {token.value_of_css_property("background-color") for token in page.all(TOKENS)}
    assert len(colours) > 3
    page.picture("neuron-1280")

    after = "return getComputedStyle(document.querySelector('.nwh-sentences .nwh-token'), '::after').content"
    assert page.chrome.execute_script(after) == "none"
    page.all(".nwh-values input")[0].click()  # what a mouse is shown by hovering, for touch and keyboard
    assert page.chrome.execute_script(after) == f'"{page.all(TOKENS)[0].get_attribute("title")}"'

    first = page.all(".nwh-text")[0].text
    page.type("Neuron", "7")
    page.shows("tiny@main/ffn/1/7")
    assert page.address() == {"model": "tiny@main", "site": "ffn", "layer": "1", "neuron": "7", "k": "5"}
    assert page.all(".nwh-text")[0].text != first
    page.press("Next")
    page.shows("tiny@main/ffn/1/8")
    assert page.address()["neuron"] == "8"
    page.type("Jump to", "hidden/2/3")
    page.shows("tiny@main/hidden/2/3")
    assert page.address()["site"] == "hidden"

    page.chrome.back()
    page.shows("tiny@main/ffn/1/8")
    page.chrome.refresh()
    page.shows("tiny@main/ffn/1/8")
    page.no_complaint()


def test_a_figure_has_its_statement_its_rows_and_its_picture(address, browser, tmp_path):
    page = Page(browser(1280), address)
    page.open(f"{ADDRESS}&corpora=plain&tokens=off")
    title = "Sentences of plain by activation"
    page.until(lambda: page.all(f"button[aria-label^='Download as PNG: {title}']"), "Streamlit's own button for PNG")
    page.chrome.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.chrome.find_element("css selector", f".st-key-source-{title.replace(' ', '-')} button").click()
    page.until(lambda: page.all("[data-testid=stLinkButton] a"), "the statement")
    for label in ("CSV", "SVG"):
        name = tmp_path / f"{title.lower().replace(' ', '-')}.{label.lower()}"
        page.chrome.find_element("css selector", f".st-key-{label}-{title.replace(' ', '-')} button").click()
        page.until(name.exists, f"{name.name} to be there")
        assert name.read_text().startswith({"CSV": "low,high,sentences\n", "SVG": "<svg "}[label])
    page.chrome.get(page.all("[data-testid=stLinkButton] a")[0].get_attribute("href"))
    page.until(lambda: "64 rows in" in page.text(), "the rows of the histogram")
    page.no_complaint()


def test_text_from_corpora_is_shown_as_it_is(address, browser):
    page = Page(browser(390, 2400, dark=True), address)
    page.open(f"{ADDRESS}&corpora=hostile")
    page.shows("tiny@main/ffn/1/5")
    assert {line.text for line in page.all(".nwh-text")} == set(HOSTILE)
    assert not page.all(".nwh-text :not(span)")
    wide = page.chrome.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
    assert not wide, "the page must not scroll sideways on a phone"
    assert not faint(page.chrome)
    page.picture("neuron-390-dark")
    page.no_complaint()


def test_a_bad_address_has_a_way_out(address, browser):
    page = Page(browser(1280), address)
    page.open("neuron?model=tiny&layer=<img src=x onerror=alert(1)>&neuron=3")
    page.until(lambda: page.all("[data-testid=stAlert]"), "a message")
    assert "<img src=x onerror=alert(1)>" in page.all("[data-testid=stAlert]")[0].text
    page.press("Show tiny@main/hidden/0/3 instead")
    page.shows("tiny@main/hidden/0/3")
    assert page.address() == {"model": "tiny@main", "site": "hidden", "layer": "0", "neuron": "3"}
    page.no_complaint()


def test_an_empty_warehouse_says_which_commands_fill_it(serve, browser, tmp_path):
    from nwh.warehouse import Warehouse

    with serve(Warehouse.create(tmp_path / "empty").storage.uri, tmp_path / "log") as base:
        page = Page(browser(1280), base)
        for name in PAGES:
            page.open(name)
            page.rests()
            if name != "sql":
                page.until(
                    lambda: re.search(r"\bingest (corpus|activations|prompts|clusters)", page.text()), "commands"
                )
            page.picture(f"{name or 'home'}-empty")
            page.no_complaint()
        page.leave()


def test_pages_over_a_warehouse_on_an_object_store(s3, warehouse, serve, browser, tmp_path):
    from pyarrow.fs import copy_files

    copy_files(warehouse.storage.uri, s3)
    best = (
        "select text from top_sentences(['plain'], 5) where site = 'ffn' and layer = 1 and neuron = 5 and pole = 'top'"
    )
    with serve(s3, tmp_path / "log") as base:
        page = Page(browser(1280), base)
        page.open(f"{ADDRESS}&corpora=plain")
        page.shows("tiny@main/ffn/1/5")
        assert {line.text for line in page.all(".nwh-text")} >= {text for (text,) in warehouse.sql(best).fetchall()}
        page.no_complaint()
        page.open(f"sql?query={quote('select corpus, count(*) from neuron_sentences group by corpus')}")
        page.until(lambda: "2 rows in" in page.text(), "the rows of a statement")
        page.no_complaint()
        page.leave()


def test_every_page_opens_and_leads_on(address, browser):
    page = Page(browser(1280), address)
    for name in PAGES:
        page.open(name)
        page.rests()
        assert not faint(page.chrome), name
        page.no_complaint()
    page.open("search?by=word&pattern=cat")
    page.until(lambda: page.all("[data-testid=stMainBlockContainer]"), "the search")
    page.no_complaint()


def test_charts_follow_the_colours_of_the_system(address, browser):
    from tests.dashboards.conftest import resize

    page = Page(browser(1280), address)
    page.open(f"{ADDRESS}&tokens=off")
    title = "[data-testid=stVegaLiteChart] text"

    def drawn_in(colour):
        page.until(lambda: colour in {each.get_attribute("fill") for each in page.all(title)}, f"titles in {colour}")

    drawn_in("#4a4e57")
    page.until(lambda: page.all("[data-test-script-state=notRunning]"), "a page at rest")
    resize(page.chrome, 1280, dark=True)
    drawn_in("#c3c7cf")
    resize(page.chrome, 1280)
    drawn_in("#4a4e57")
    page.no_complaint()


def test_names_of_the_dictionary_go_into_the_statement(address, browser):
    from selenium.webdriver.common.keys import Keys

    page = Page(browser(1280), address)
    page.open("sql?find=corpus_sizes")
    page.until(lambda: page.all(".nwh-insert") and page.all(".st-key-sql_query textarea"), "the editor")
    page.until(lambda: page.all("[data-test-script-state=notRunning]"), "a page at rest")
    (editor,) = page.all(".st-key-sql_query textarea")
    editor.send_keys("select  from")
    editor.send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * 7)
    names = {each.text: each for each in page.all(".nwh-insert") if each.is_displayed()}
    names["n_sentences"].send_keys(Keys.ENTER)
    assert editor.get_attribute("value") == "select n_sentences from"
    editor.send_keys(Keys.END)
    names["corpus_sizes"].click()
    editor.send_keys(Keys.CONTROL, Keys.ENTER)
    page.until(lambda: page.address().get("query") == "select n_sentences from corpus_sizes", "the statement is run")
    page.no_complaint()


def test_the_top_bar_keeps_the_place(address, browser):
    page = Page(browser(1280), address)
    page.open(f"{ADDRESS}&tokens=off")
    of_page = "//*[contains(@class, 'st-key-nwh-pages')]//a[normalize-space()='{}']"

    def go(name, there):
        link = of_page.format(name)
        page.until(lambda: page.chrome.find_element("xpath", link).click() is None, f"a link to {name}")
        page.until(lambda: page.address() == there, f"{name} at {there}, not {page.address()}")

    picked = {"model": "tiny@main", "site": "ffn", "neuron": "1/5"}
    go("Layers", picked)
    page.until(lambda: page.chrome.title == "Layers tiny@main ffn \N{MIDDLE DOT} nwh", "the title of the tab")
    go("Neuron", {"model": "tiny@main", "site": "ffn", "layer": "1", "neuron": "5"})
    page.chrome.back()
    page.until(lambda: page.address() == picked, "the page before")
    page.no_complaint()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_pages_of_knowledge_neurons(serve, browser, tmp_path, width, dark):
    """Every chart is drawn, text from prompts stays text, nothing scrolls sideways; one chooses on the pages."""
    made = Rows().write(tmp_path / "warehouse")
    with serve(made.storage.uri, tmp_path / "log") as base:
        page = Page(browser(width, 4500, dark), base)
        for name, n_charts in (("concept", 7), ("formation", 21)):
            page.open(f"{name}?model=bert&dataset=a&concept={quote(CONCEPTS[6])}&checkpoint=step20")
            page.draws(n_charts)
            page.picture(f"{name}-{width}")
            wide = page.chrome.execute_script("return document.documentElement.scrollWidth > window.innerWidth")
            assert not wide, "the page must not scroll sideways"
            assert not page.all(".stMainBlockContainer i")
            assert not faint(page.chrome)
            page.no_complaint()
        page.type("Concept", "c12")
        page.until(lambda: page.address().get("concept") == "c12", "concept c12 in the address")
        page.chrome.refresh()
        page.until(lambda: page.all("input[aria-label*=Concept][value=c12]") or "c12" in page.text(), "concept c12")
        page.no_complaint()
        page.leave()
