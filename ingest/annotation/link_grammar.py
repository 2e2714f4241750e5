"""Link Grammar (Sleator and Temperley 1991): constituent trees from its `link-parser` program.

One process parses sentence after sentence. Only complete linkages make a tree: with words left unlinked the
constituents are guesses.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any

from nwh.ingest.annotation.trees import cleaned
from nwh.warehouse.errors import SourceError, UsageError

# constituents=3: a tree on one line; null=0: complete linkages only; limit: linkages compared for the best one
_OPTIONS = ("-constituents=3", "-graphics=0", "-verbosity=0", "-null=0", "-panic=0", "-limit=100", "-echo=0")
_MARK = ("!width=16381", "width set to 16381")  # a command that changes nothing, and what it answers
_SUBSCRIPT = re.compile(r"(?<=[^\s(])(?:\{[^\s{}]\})?(?:\.[a-z][a-z0-9_-]*|\[[^\s\]]*\])?(?=[\s)])")
_GRACE = 5.0  # the program looks at its clock now and then only
_MAX_WORDS = 250  # it takes no more


def settings() -> dict[str, Any]:
    """Return the version of the program; UsageError, saying how to get it, where it is missing."""
    program = shutil.which("link-parser")
    if program is None:
        raise UsageError(
            "link-parser is not installed: apt-get install link-grammar link-grammar-dictionaries-en (Debian), "
            "or see https://opencog.github.io/link-grammar-website"
        )
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"link-grammar-(\S+)", said)
    return {"link-grammar": found[1] if found else "unknown"}


class LinkParser:
    """A `link-parser` process, started again when it dies or takes too long; a context manager."""

    def __init__(self, seconds: float) -> None:
        """Give each sentence `seconds` of parsing."""
        settings()
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._lines: Queue[str | None] = Queue()

    def __enter__(self) -> LinkParser:
        """Start with the first sentence."""
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def parse(self, sentence: str) -> str | None:
        """Return the bracketed tree of the best linkage; null where there is none, or none in time."""
        text = " ".join(sentence.split()).lstrip("!%* ")  # which the program takes for commands
        if not text or len(text.split()) > _MAX_WORDS:
            return None
        if self._process is None:
            self._start()
        answer = self._ask(f"{text}\n", self._seconds + _GRACE)
        # words have subscripts: `cat.n`, `blorp{?}.v`
        trees = (cleaned(_SUBSCRIPT.sub("", line)) for line in answer or () if line.startswith("("))
        return next(filter(None, trees), None)

    def _start(self) -> None:
        # without stdbuf (coreutils) the program keeps its last lines until its next sentence
        command = ["stdbuf", "-oL", "link-parser", "en", *_OPTIONS, f"-timeout={max(1, round(self._seconds))}"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, encoding="utf-8", errors="replace"
        )
        self._lines = Queue()
        Thread(target=_read, args=(self._process.stdout, self._lines), daemon=True).start()
        if self._ask("", 60.0) is None:
            raise SourceError(
                "link-parser does not start: try `link-parser en` (is link-grammar-dictionaries-en there?)"
            )

    def _ask(self, text: str, seconds: float) -> list[str] | None:
        """Return the lines that answer a text; null where the process ends or the time is up, and it is stopped."""
        assert self._process is not None
        assert self._process.stdin is not None
        lines: list[str] = []
        with suppress(OSError, Empty):
            self._process.stdin.write(f"{text}{_MARK[0]}\n")
            self._process.stdin.flush()
            while (line := self._lines.get(timeout=seconds)) is not None:
                if line == _MARK[1]:
                    return lines
                lines.append(line)
        self._stop()
        return None

    def _stop(self) -> None:
        if self._process is not None:
            with suppress(OSError), self._process as process:  # which closes its streams
                process.kill()
                process.wait()
        self._process = None


def _read(stream: Any, lines: Queue[str | None]) -> None:
    with suppress(ValueError, OSError):  # closed by _stop
        for line in stream:
            lines.put(line.rstrip("\n"))
    lines.put(None)
