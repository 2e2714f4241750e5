"""The pages as one application; `nwh dashboard` starts it with NWH_WAREHOUSE set."""

import streamlit as st

from dashboards import concepts, formation, markup, neuron
from warehouse import NwhError

st.set_page_config(page_title="nwh: the neuron warehouse", layout="wide")
st.html(markup.STYLE)
shown = st.navigation(
    [
        st.Page(neuron.page, title="Neuron", url_path="neuron", default=True),
        st.Page(concepts.page, title="Concept", url_path="concept"),
        st.Page(formation.page, title="Formation", url_path="formation"),
    ],
    position="top",
)
try:
    shown.run()
except NwhError as error:
    st.error(markup.literal(str(error)))
