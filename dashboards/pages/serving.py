"""The server of the pages as a process: says where they are, and ends without a word."""

import os
import sys
import time
from contextlib import suppress
from importlib import import_module
from threading import Thread

from streamlit import logger, runtime
from streamlit.web import cli

from nwh.warehouse.errors import NwhError

# The pages and what all of them are made with, imported before one is asked for; that what they keep answers in is made
# before there is a server needs no warning.
logger.get_logger("streamlit.runtime.caching.cache_data_api").setLevel("ERROR")
_LIBRARIES = ("altair", "pandas", "pyarrow.compute", "deltalake")
_PAGES = ("comparison", "concepts", "formation", "home", "layers", "neuron", "neuron_map", "search", "sql_page")
for _module in (*_LIBRARIES, *(f"nwh.dashboards.pages.{page}" for page in _PAGES)):
    import_module(_module)
import_module("altair.utils.schemapi").disable_debug_mode()  # charts are checked by tests, not each time they are drawn


def main(host: str, port: str, *arguments: str) -> None:
    """Run Streamlit with its arguments (`run PAGE --OPTION …`) until it is interrupted; it ends this process."""
    Thread(target=_prepare, daemon=True).start()
    place = f"[{host}]" if ":" in host else host
    print(f"Pages at http://{place}:{port} (Ctrl+C ends them)", flush=True)
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - Streamlit greets, and says that it stops
    code = 0
    try:
        cli.main(list(arguments), prog_name="streamlit", standalone_mode=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stderr.flush()
    # Nothing is left to do, and what DuckDB's bindings say of memory that ends with the process reads like a crash.
    os._exit(code)


def _prepare() -> None:
    """Open the warehouse while the server starts, and ask what comes first while a browser loads Streamlit's scripts.

    Not before there is a server: what keeps answers looks for one.
    """
    session = import_module("nwh.dashboards.session")
    with suppress(NwhError):  # a page says so
        session.opened()
        while not runtime.exists():
            time.sleep(0.02)
        session.prepare()


if __name__ == "__main__":
    main(*sys.argv[1:])
