"""Files to take away, made when a button is pressed and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import streamlit as st

from warehouse import Warehouse, neuron_queries, output
from warehouse.neuron_queries import Answer
from warehouse.neurons import Neuron

_FORMATS = {
    output.Format.csv: ("CSV", "text/csv"),
    output.Format.parquet: ("Parquet", "application/vnd.apache.parquet"),
    output.Format.json: ("JSON", "application/json"),
}


def sentences(warehouse: Warehouse, neuron: Neuron, corpora: Sequence[str]) -> None:
    """Offer all stored sentences of both poles as files."""
    name = f"{neuron.model}-{neuron.checkpoint}-{neuron.site}-{neuron.layer}-{neuron.neuron}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("All stored top and bottom sentences of this neuron:")
        for format, (label, mime) in _FORMATS.items():
            st.download_button(
                label,
                made(lambda: neuron_queries.all_sentences(warehouse, neuron, corpora), format),
                f"{name}.{format.value}",
                mime,
                key=f"download-{format.value}",
                help=f"Download as {label}",
                on_click="ignore",
            )


def made(ask: Callable[[], Answer], format: output.Format) -> Callable[[], bytes]:
    """Return a function that asks and writes the answer as a file."""

    def write() -> bytes:
        found, stream = ask(), BytesIO()
        output.write_rows(found.columns, found.rows, format, stream)
        return stream.getvalue()

    return write
