"""Tables of a report as LaTeX: what a paper takes in with `\\input`, with rules of the package booktabs."""

from __future__ import annotations

from collections.abc import Sequence

_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\n": r" \newline ",
}


def escape(text: str) -> str:
    """Return text as LaTeX sets it: no character of it is a command, and its lines stay lines."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def table(
    caption: str, label: str, header: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> str:
    """Return a table in a float, its caption above; numeric: which columns stand to the right.

    Columns of text of more than a line's worth are paragraphs, which share the width of the page.
    """
    columns_of_rows = [[row[i] for row in rows] for i in range(len(header))]
    broken = [
        not number and any(len(cell) > _SHORT or "\n" in cell for cell in cells)
        for number, cells in zip(numeric, columns_of_rows, strict=True)
    ]
    share = round(0.8 / max(1, sum(broken)), 2)
    columns = "".join(
        "r" if number else f"p{{{share}\\linewidth}}" if long else "l"
        for number, long in zip(numeric, broken, strict=True)
    )
    lines = [" & ".join(map(escape, row)) + r" \\" for row in (header, *rows)]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"  \centering\footnotesize",
            f"  \\caption{{{escape(caption)}}}\\label{{{label}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {lines[0]}",
            r"    \midrule",
            *(f"    {line}" for line in lines[1:]),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


_SHORT = 40
"""Characters of a cell that needs no broken lines."""
