"""The bar of pages at the top: its links keep the place, so that what one looks at stays from page to page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from nwh.dashboards import session
from nwh.dashboards.address import place
from nwh.warehouse import NwhError, queries

FOLLOW_LOOK = """<script>
if (!window.nwhLook) {
  const look = () => getComputedStyle(document.querySelector("[data-testid=stApp]")).colorScheme;
  window.nwhLook = look();
  setInterval(() => {
    if (window.nwhLook === look()) return;
    window.nwhLook = look();
    // R is Streamlit's key for running a page again, which then says how the page looks by now
    for (const type of ["keydown", "keyup"])
      document.dispatchEvent(new KeyboardEvent(type, {key: "r", code: "KeyR", bubbles: true}));
  }, 500);
}
</script>"""
"""Draws a page again when it turns dark or light, as the system or the user wants it: its charts have other colours."""
_PLACE = "place"
"""Session state: what was looked at last."""


def draw(pages: Sequence[Any]) -> None:
    """Draw the links, as of the address that the browser is at."""
    with st.container(horizontal=True, key="nwh-pages"):
        addresses = here()
        for page in pages:
            st.page_link(page, query_params=dict(addresses.get(page.url_path or "home", {})))


def here() -> Mapping[str, Mapping[str, str]]:
    """Return the query parameters of each page at the place that this session is at; of those that have one."""
    before = st.session_state.get(_PLACE, place.Place())
    now = before.then(st.query_params.to_dict())
    st.session_state[_PLACE] = now
    if now == place.Place():
        return {}
    try:
        warehouse = session.warehouse()
        known = queries.knowledge.extents_with_prompts(warehouse, session.ask)
        maps = session.ask(warehouse, queries.layers.maps)
        return place.addresses(now, known, maps, session.ask(warehouse, queries.knowledge.all_series))
    except NwhError:  # the page says so
        return {}
