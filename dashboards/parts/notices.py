"""What pages say where they cannot show what was asked for: wrong addresses, nothing stored, errors."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from nwh.dashboards.html import markup
from nwh.dashboards.html.markup import code_span
from nwh.warehouse import NwhError, Warehouse

RELOAD = "The page shows what a command has stored when you load it again."
_FILL = {
    "corpora": "ingest corpus FILE --name NAME",
    "sentence_metadata": "ingest corpus FILE --name NAME --metadata KEY",
    "annotations": "ingest annotations --corpus NAME",
    "neuron_stats": "ingest activations --model MODEL",
    "prompts": "ingest prompts FILE --dataset NAME",
}


def wrong_address(problems: Sequence[str], label: str, go: Callable[..., None], *args: Any) -> None:
    """Say what is wrong with an address, in Markdown, with a button that goes on: `go(*args)`."""
    st.error("This address names what is not here.\n\n" + "\n".join(f"- {problem}" for problem in problems))
    st.button(label, on_click=go, args=args)


def empty(warehouse: Warehouse, what: str, *steps: str, first: Sequence[str] = ()) -> None:
    """Say that a warehouse holds `what` (`no activations`), and the commands that change this.

    first: relations that the steps read; the command that fills one comes before them where it has no rows.
    """
    st.info(f"This warehouse holds {what} yet. These commands fill it:")
    commands(warehouse, *(_FILL[relation] for relation in first if not warehouse.snapshot.get(relation)), *steps)
    st.markdown(RELOAD)


def commands(warehouse: Warehouse, *steps: str) -> None:
    """Show commands, given as what comes after the warehouse; a click selects all of them."""
    nwh = f"nwh --warehouse {shlex.quote(warehouse.storage.uri)}"
    st.html(markup.commands(f"{nwh} {step}" for step in steps))


def reason(error: Exception) -> str:
    """Return in Markdown why something failed, with the kind of error where it is not one of ours."""
    return code_span(str(error) if isinstance(error, NwhError) else f"{type(error).__name__}: {error}")


def no_tokens(error: Exception) -> str:
    """Return in Markdown why there are no activations per token: an error of loading or running the model."""
    return f"The model cannot be run, so activations per token are not shown: {reason(error)}"
