"""The server of the pages as a process: says where they are, and ends without a word."""

import os
import sys

from streamlit.web import cli


def main(host: str, port: str, *arguments: str) -> None:
    """Run Streamlit with its arguments (`run PAGE --OPTION …`) until it is interrupted; it ends this process."""
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


if __name__ == "__main__":
    main(*sys.argv[1:])
