"""Text stays text, and colours mean what they say."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwh.dashboards.html import markup


class Read(HTMLParser):
    """What a browser makes of HTML: its text, its elements."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.text, self.elements = "", []
        self.feed(html)
        self.close()

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))


marks = st.sampled_from(["<b>", "</span>", "<!--", "&amp;", "&lt", "<", "\"'", "__x__", "$x$", "[a](b)", " "])
# A carriage return is never in a stored sentence and HTML reads it as a line feed.
pieces = marks | st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]))
hostile = st.lists(marks).map("".join)


@st.composite
def tokenised(draw):
    """A text with tokens (start, end, activation) at some of its pieces."""
    text, tokens = "", []
    for piece, is_token in draw(st.lists(st.tuples(pieces, st.booleans()))):
        if is_token and piece:
            tokens.append((len(text), len(text) + len(piece), draw(st.floats(-10, 10))))
        text += piece
    return text, tokens


@given(tokenised())
def test_a_heat_map_has_the_text_and_one_element_per_token(case):
    text, tokens = case
    read = Read(markup.heat_map(text, tokens, 10))
    assert read.text == text
    assert [tag for tag, _ in read.elements] == ["span"] * len(tokens)


@given(hostile)
def test_hostile_characters_stay_text(text):
    row = {"rank": 1, "activation": 0.5, "corpus": "c", "doc_id": text, "text": text}
    read = Read(markup.sentence_list([row]))
    assert read.text == f"1 · 0.5 · c · {'document ' * text.isdecimal()}{text}{text}" if text else "1 · 0.5 · c"
    assert {tag for tag, _ in read.elements} == {"ol", "li", "div", "b", "p"}
    assert Read(markup.table(["", text], [(text, [text])])).text == text * 3


def colours(tokens, scale):
    return [attrs["style"] for _, attrs in Read(markup.heat_map("abc", tokens, scale)).elements]


def test_sign_is_hue_and_size_is_strength():
    assert colours([(0, 1, 2.0), (1, 2, -4.0), (2, 3, 1.0)], 4) == [
        f"background-color: rgba({markup.HIGH}, 0.350)",
        f"background-color: rgba({markup.LOW}, 0.700)",
        f"background-color: rgba({markup.HIGH}, 0.175)",
    ]
    assert colours([(0, 1, 0.0)], 0) == [f"background-color: rgba({markup.LOW}, 0.000)"]


def test_tokens_of_one_character_are_one_element_with_the_strongest_colour():
    html = markup.heat_map("é!", [(0, 1, 0.25), (0, 1, -1.0), (1, 2, 0.5)], 1)
    (_, both), (_, other) = Read(html).elements
    assert both == {
        "class": "nwh-token nwh-peak",
        "title": "0.25, \N{MINUS SIGN}1",
        "style": f"background-color: rgba({markup.LOW}, 0.700)",
    }
    assert other["class"] == "nwh-token"


@pytest.mark.parametrize("text", ["plain", "a`b", "``", " ", "", "a\nb", "**x** <b> $y$ [l](m)"])
def test_literal_fences_are_longer_than_any_run_inside(text):
    shown = markup.code_span(text)
    fence = shown[: len(shown) - len(shown.lstrip("`"))]
    inside = shown[len(fence) : -len(fence)]
    assert shown.endswith(fence)
    assert fence
    assert fence not in inside.strip()
    assert inside.split() == text.split()


def contrast(one, other):
    def luminance(rgb):
        parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [markup.HIGH, markup.LOW])
@pytest.mark.parametrize(("page", "text"), [((255, 255, 255), (49, 51, 63)), ((26, 26, 24), (250, 250, 250))])
def test_text_is_readable_on_the_strongest_colour(colour, page, text):
    """WCAG 2.1, success criterion 1.4.3: a contrast of at least 4.5."""
    over = [0.7 * int(c) + 0.3 * p for c, p in zip(colour.split(","), page, strict=True)]
    assert contrast(over, text) >= 4.5
