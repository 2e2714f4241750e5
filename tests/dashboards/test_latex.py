"""What a paper takes in: LaTeX without surprises, the works that are cited and no others."""

from __future__ import annotations

import re

from nwh.dashboards.report import latex, references


def test_no_text_is_a_command():
    hostile = r"50% of \input{x} & $y$ #1_a {b} ~^ <i> |"
    escaped = latex.escape(hostile)
    bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}", "", escaped)
    assert not re.findall(r"(?<!\\)[&%$#_{}~^\\](?![&%$#_{}])", bare)
    assert latex.escape("\N{MINUS SIGN}3 \N{MULTIPLICATION SIGN}2") == r"$-$3 $\times$2"


def test_a_table_has_rules_and_a_column_per_column():
    long = "a sentence of more than forty characters, so that it is broken into lines"
    text = latex.table("What: a & b", "tab:x", ["name", "n"], [["a_b", "1.5"], [long, "2"]], [False, True])
    assert [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == sorted(
        text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")
    )
    assert r"\begin{tabular}{p{0.8\linewidth}r}" in text
    assert r"a\_b & 1.5 \\" in text
    assert r"\caption{What: a \& b}\label{tab:x}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_only_what_is_cited_is_listed():
    found = references.cited_in("as in Dai et\n al. 2021 and (Oba et al. 2021, figure 2)")
    assert [work.key for work in found] == ["dai-etal-2021", "oba-etal-2021"]
    assert "Daisuke Oba, Naoki Yoshinaga and Masashi Toyoda. 2021. Exploratory" in found[1].text
    assert "518\N{EN DASH}528" in found[1].text
    entries = references.bibtex(list(references.WORKS))
    assert re.findall(r"^@\w+\{([\w-]+),$", entries, re.MULTILINE) == [work.key for work in references.WORKS]
    assert entries.count("{") == entries.count("}")
