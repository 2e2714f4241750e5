"""Files to take away, made when a button is pressed and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from io import BytesIO

import streamlit as st

from nwh.warehouse import Warehouse, queries
from nwh.warehouse.neuron import Neuron
from nwh.warehouse.output import Format, write_rows
from nwh.warehouse.queries.answers import Answer

FORMATS = {
    Format.csv: ("CSV", "text/csv"),
    Format.parquet: ("Parquet", "application/vnd.apache.parquet"),
    Format.json: ("JSON", "application/json"),
}


def sentences(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Offer all stored sentences of both poles as files."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("All stored top and bottom sentences of this neuron:")
        name = f"{neuron.model}-{neuron.checkpoint}-{neuron.site}-{neuron.layer}-{neuron.neuron}"
        buttons(name, lambda format: written(queries.neurons.all_sentences(warehouse, neuron, corpora), format))


def buttons(name: str, write: Callable[[Format], bytes]) -> None:
    """Offer rows in each format, as `name` with the format's suffix; write: makes such a file."""
    for format, (label, mime) in FORMATS.items():
        st.download_button(
            label,
            partial(write, format),
            f"{name}.{format.value}",
            mime,
            key=f"download-{name}.{format.value}",
            help=f"Download as {label}",
            on_click="ignore",
        )


def written(answer: Answer, format: Format) -> bytes:
    """Return rows as a file."""
    stream = BytesIO()
    write_rows(answer.columns, answer.rows, format, stream)
    return stream.getvalue()
