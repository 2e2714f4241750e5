"""The pages without a mouse: what they offer is reached with Tab and used with Enter, arrow keys and Ctrl+Enter."""

from __future__ import annotations

import pytest

from tests.dashboards.test_browser import ADDRESS, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
_NAMED = """
const active = document.activeElement;
return [active.getAttribute('aria-label') || '', active.innerText || '', active.tagName];
"""


class Typist(Page):
    """Someone at the keyboard of a page."""

    def press_keys(self, *keys):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.chrome).send_keys(*keys).perform()

    def together(self, held, key):
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.chrome).key_down(held).send_keys(key).key_up(held).perform()

    def tab_to(self, name, tag="", most=150):
        """Press Tab until what has the focus is called `name`, as a screen reader says it."""
        from selenium.webdriver.common.keys import Keys

        passed = []
        for _ in range(most):
            self.press_keys(Keys.TAB)
            label, text, element = self.chrome.execute_script(_NAMED)
            passed.append(label or text[:40])
            if name in (label, text.strip().partition("\n")[0]) and tag in ("", element.lower()):
                return
        raise AssertionError(f"Tab does not reach {name!r}, but {passed}")


def test_the_neuron_page(address, browser):
    from selenium.webdriver.common.keys import Keys

    page = Typist(browser(1280), address)
    page.open(ADDRESS)
    page.shows("tiny@main/ffn/1/5")
    page.tab_to("Next", "button")
    page.press_keys(Keys.ENTER)
    page.shows("tiny@main/ffn/1/6")
    page.tab_to("Jump to", "input")
    page.press_keys("hidden/2/3", Keys.ENTER)
    page.shows("tiny@main/hidden/2/3")
    page.tab_to("Layer", "input")
    page.press_keys(Keys.ARROW_DOWN, Keys.ENTER)
    page.shows("tiny@main/hidden/1/3")
    page.tab_to("SQL · CSV", "button")
    page.press_keys(Keys.ENTER)
    page.until(lambda: "top_sentences(" in page.text(), "the statement of the top sentences")
    page.tab_to("Open in SQL", "a")
    page.press_keys(Keys.ESCAPE)
    page.until(lambda: "top_sentences(" not in page.text(), "the statement to be gone")
    page.no_complaint()


def test_the_search_page_leads_to_a_neuron(address, browser):
    from selenium.webdriver.common.keys import Keys

    page = Typist(browser(1280), address)
    page.open("search?lift=0&q=1")
    page.until(lambda: page.all("input[aria-label='Word or words']"), "the search")
    page.tab_to("Word or words", "input")
    page.press_keys("the", Keys.ENTER)
    page.until(lambda: page.address().get("pattern") == "the" and page.all("[data-testid=stDataFrame]"), "neurons")
    page.tab_to("Open a neuron", "input")
    page.press_keys(Keys.ARROW_DOWN, Keys.ENTER)
    link = "[data-testid=stPageLink-NavLink]:not(.st-key-nwh-pages *)"
    page.until(lambda: page.all(link), "a link to the neuron's page")
    name = page.all(link)[0].text
    page.tab_to(name, "a")
    page.press_keys(Keys.ENTER)
    page.shows(name.removeprefix("Open "))
    page.no_complaint()


def test_a_statement_is_written_and_run(address, browser):
    from selenium.webdriver.common.keys import Keys

    page = Typist(browser(1280), address)
    page.open("sql")
    page.until(lambda: page.all("textarea"), "the editor")
    page.tab_to("Statement", "textarea")
    page.press_keys("select count(*) as n from corp")
    page.until(lambda: page.all("#nwh-offer span"), "names that begin so")
    assert [each.text for each in page.all("#nwh-offer span")][:2] == ["corpora", "corpus_metadata"]
    page.press_keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.TAB)
    assert page.all(".st-key-sql_query textarea")[0].get_attribute("value") == "select count(*) as n from corpora"
    assert not page.all("#nwh-offer")[0].is_displayed()
    page.together(Keys.CONTROL, Keys.ENTER)
    page.until(lambda: "1 row in" in page.text(), "a row")
    assert page.address() == {"query": "select count(*) as n from corpora"}
    page.no_complaint()
