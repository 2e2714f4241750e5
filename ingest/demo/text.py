"""The demo's corpus: prose from the documentation strings of packages that are installed anyway.

Nothing is imported and nothing is fetched: docstrings are read from the source files with `ast`, and whatever
is not prose (examples, parameter tables, markup) is dropped.
"""

import ast
import re
import sysconfig
import warnings
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import find_spec
from inspect import cleandoc
from pathlib import Path

from nwh.ingest.text.documents import Document

# Python itself, dependencies of this project, and what these depend on: many subjects, much prose.
_PACKAGES = (
    "python", "numpy", "scipy", "torch", "transformers", "polars", "pyarrow", "nltk", "streamlit", "altair",
    "pandas", "sympy", "networkx", "huggingface_hub", "rich", "click", "jinja2", "fsspec",
)  # fmt: skip
_SKIPPED = re.compile(
    r"(^|/)(tests?|test_\w*|testing\w*|conftest|_?vendor\w*|_click|\w*_pb2|site-packages|dist-packages"
    r"|lib-dynload|idlelib|lib2to3|turtledemo|pydoc_data|ensurepip|__phello__)(/|\.py$)"
)
_PER_MODULE = 3_000  # characters that one module may give, so that a package shows many of its modules
_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


def demo_documents(characters: int = 250_000) -> Iterator[Document]:
    """Yield up to `characters` characters of prose (250,000 make 3,000 sentences), a document per module.

    `doc_id` is the module's dotted name; metadata are `package` (`python` for the standard library) and
    `module`, the part of the package it belongs to (`torch.nn`; `asyncio` in the standard library). Packages
    that are installed share the characters evenly. The same installed versions give the same text.
    """
    roots = {name: root for name in _PACKAGES if (root := _root(name))}
    seen: set[str] = set()
    budget = characters
    for left, (package, root) in zip(range(len(roots), 0, -1), roots.items(), strict=True):
        share = budget // left  # what a short package leaves over goes to those after it
        for document in _package_documents(package, root, share, seen):
            budget -= len(document.text)
            yield document


def _root(package: str) -> Path | None:
    if package == "python":
        return Path(sysconfig.get_paths()["stdlib"])
    spec = find_spec(package)  # of a top-level name this does not import it
    folders = spec.submodule_search_locations if spec else None
    return Path(folders[0]) if folders else None


def _package_documents(package: str, root: Path, characters: int, seen: set[str]) -> Iterator[Document]:
    """Yield a package's documents up to a number of characters, files in the order of their names' hash."""
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*.py")}
    for name in sorted(files, key=lambda name: sha256(name.encode()).digest()):
        if characters <= 0:
            return
        if _SKIPPED.search(name):
            continue
        paragraphs, length = [], 0
        for paragraph in _module_prose(files[name]):
            if length < min(_PER_MODULE, characters) and paragraph not in seen:
                seen.add(paragraph)
                paragraphs.append(paragraph)
                length += len(paragraph)
        if paragraphs:
            characters -= length
            parts = [part for part in name.removesuffix(".py").split("/") if part != "__init__"]
            module = parts[0] if package == "python" else ".".join([package, *parts[:1]])
            doc_id = ".".join(parts if package == "python" else [package, *parts])
            yield Document(doc_id, "\n\n".join(paragraphs), (("package", package), ("module", module)))


def _module_prose(path: Path) -> Iterator[str]:
    """Yield the paragraphs of prose in the docstrings of a module, its classes and functions."""
    try:
        source = path.read_text(encoding="utf-8")
        # Parsing is the slow step: long files, and those with little documentation, are passed over.
        if len(source) > 100_000 or 5 * sum(map(len, _DOCSTRING.findall(source))) < len(source):
            return
        with warnings.catch_warnings(action="ignore"):  # escapes in other people's strings
            tree = ast.parse(source)
    except (OSError, ValueError, SyntaxError):
        return
    for node in _documented(tree):
        yield from prose(ast.get_docstring(node, clean=False) or "")


def _documented(node: ast.Module | ast.ClassDef) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef]:
    yield node
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            yield from _documented(child)
        elif isinstance(child, ast.FunctionDef):
            yield child


_HEADING = re.compile(r"^.*\n([=\-~^*#+\"'`])\1{2,}\s*(\n|$)", re.MULTILINE)
_MARKUP = (
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),  # [text](link)
    (re.compile(r"(?<!\w):[\w:+-]+:`~?(?:[^`<]*\.)?([^`.<]+?)`"), r"\1"),  # :class:`~package.Name`
    (re.compile(r"\[`~?(?:[\w.]*\.)?(\w+)`\]"), r"\1"),  # [`Name`]
    (re.compile(r"`([^`<]+?)\s*<[^>`]*>`_*"), r"\1"),  # `text <link>`_
    (re.compile(r"(?<!\w)(`{1,2})([^`]+)\1_{0,2}"), r"\2"),
    (re.compile(r"(\*{1,2})(\S(?:[^*]*\S)?)\1"), r"\2"),
)
_SENTENCES = re.compile(r"[A-Z][^\n]*[a-z)\"'][.!?]")
_NOT_PROSE = re.compile(r"https?:|[`|{}\\<>=^~@#]|\.\. |::|->|__|\*\*|\[\d|:\w+:|--|\bTODO|\bCopyright|\w\(\w*,")


def prose(docstring: str) -> Iterator[str]:
    """Yield a docstring's paragraphs of running sentences, each on one line and free of markup.

    Dropped are examples, code, indented text (parameters, quoted blocks), lists, tables, headings, fields and
    directives, and paragraphs whose markup or code cannot be resolved.

    >>> list(prose("Return the `mean` of x.\\n\\n>>> mean([1])\\n1\\n\\nArgs:\\n    x: The values, as a list."))
    ['Return the mean of x.']
    """
    for paragraph in re.split(r"\n\s*\n", _HEADING.sub("\n", cleandoc(docstring))):
        lines = paragraph.strip("\n").split("\n")
        if any(line.startswith((" ", "\t", "- ", "* ", "+ ")) or not line.isascii() for line in lines):
            continue
        text = " ".join(" ".join(lines).split())
        for pattern, replacement in _MARKUP:
            text = pattern.sub(replacement, text)
        if _SENTENCES.fullmatch(text) and not _NOT_PROSE.search(text) and _reads_well(text):
            yield text


def _reads_well(text: str) -> bool:
    words = text.split()
    plain = sum(word.strip(".,;:!?()\"'").replace("-", "").replace("'", "").isalpha() for word in words)
    return len(words) >= 5 and plain >= 0.85 * len(words)
