"""The pages as one application; `nwh dashboard` starts it with NWH_WAREHOUSE set."""

import streamlit as st

from nwh.dashboards.html import markup
from nwh.dashboards.pages import comparison, concepts, formation, home, layers, neuron, neuron_map, search, sql_page
from nwh.dashboards.parts import top_bar
from nwh.warehouse import NwhError

st.set_page_config(page_title="nwh: the neuron warehouse", layout="wide")
st.html(markup.STYLE)
with st.container(key="nwh-script-look"):
    st.html(top_bar.FOLLOW_LOOK, unsafe_allow_javascript=True)
PAGES = [
    st.Page(home.page, title="Home", url_path="home", default=True),
    st.Page(search.page, title="Search", url_path="search"),
    st.Page(neuron.page, title="Neuron", url_path="neuron"),
    st.Page(layers.page, title="Layers", url_path="layers"),
    st.Page(neuron_map.page, title="Neuron map", url_path="map"),
    st.Page(comparison.page, title="Comparison", url_path="comparison"),
    st.Page(concepts.page, title="Concept", url_path="concept"),
    st.Page(formation.page, title="Formation", url_path="formation"),
    st.Page(sql_page.page, title="SQL", url_path="sql"),
]
shown = st.navigation(PAGES, position="hidden")
top_bar.draw(PAGES)
try:
    shown.run()
except NwhError as error:
    st.error(markup.code_span(str(error)))
