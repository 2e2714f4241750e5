"""Names offered while a statement is typed, as a part of the page of statements: Streamlit's text area has no such."""

from __future__ import annotations

from html import escape

from nwh.warehouse.catalog.sql_files import sql_files
from nwh.warehouse.schema import RELATIONS

STYLE = """<style>
#nwh-offer { position: absolute; z-index: 1000; padding: 0.2rem 0.5rem; border-radius: 0.4rem; max-width: 90vw;
    background: #262730; color: #fafafa; font: 0.875rem ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
#nwh-offer span { padding: 0 0.3rem; border-radius: 0.2rem; display: inline-block; }
#nwh-offer span.nwh-next { background: #b34700; }
</style>"""
COMPLETE = """<script>
if (!window.nwhCompletes) {
  window.nwhCompletes = true;
  const most = 8, offer = document.createElement("div");
  let names = [], next = 0;
  Object.assign(offer, {id: "nwh-offer", hidden: true});
  offer.setAttribute("role", "status");  // what it says is read out
  document.body.append(offer);
  const within = event => event.target.closest && event.target.closest(".st-key-sql_query textarea");
  const begun = editor => (editor.value.slice(0, editor.selectionStart).match(/[a-z_]\\w+$/i) || [""])[0].toLowerCase();
  const show = (editor, found) => {
    names = found;
    offer.hidden = names.length === 0;
    offer.replaceChildren("Tab: ", ...names.map((name, i) => Object.assign(document.createElement("span"),
      {textContent: name, className: i === next ? "nwh-next" : ""})));
    const box = editor.getBoundingClientRect();
    Object.assign(offer.style, {left: `${box.left + scrollX}px`, top: `${box.bottom + scrollY + 2}px`});
  };
  const take = editor => {
    document.execCommand("insertText", false, names[next].slice(begun(editor).length));  // can be undone, as typing
    show(editor, []);
  };
  document.addEventListener("input", event => {
    const editor = within(event);
    if (!editor) return;
    const start = begun(editor), all = [...document.querySelectorAll("#nwh-names option")].map(each => each.value);
    next = 0;
    show(editor, start ? all.filter(name => name.startsWith(start) && name !== start).slice(0, most) : []);
  });
  document.addEventListener("keydown", event => {
    const editor = within(event), step = {ArrowDown: 1, ArrowUp: -1}[event.key];
    if (!editor || offer.hidden || event.shiftKey || event.ctrlKey) return;
    if (event.key === "Tab") take(editor);
    else if (event.key === "Escape") show(editor, []);
    else if (step) {
      next = (next + step + names.length) % names.length;
      show(editor, names);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener("focusout", event => within(event) && show(within(event), []));
}
</script>"""
"""Offers the names that begin with what is typed: Tab takes the marked one, up and down mark another, Escape hides."""


def names() -> str:
    """Return all names of relations, views, macros and their columns, these last, as HTML that is not seen."""
    found = [each.name for each in sql_files()] + list(RELATIONS)
    columns = {name for each in sql_files() for name, _ in each.columns}
    columns |= {name for relation in RELATIONS.values() for name in relation.column_names}
    listed = dict.fromkeys([*sorted(found), *sorted(columns)])
    return f'<datalist id="nwh-names">{"".join(f"<option value={escape(name)!r}>" for name in listed)}</datalist>'
