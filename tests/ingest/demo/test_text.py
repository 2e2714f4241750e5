import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nwh.ingest.demo import text
from nwh.ingest.demo.text import demo_documents, prose

ROOT = Path(__file__).parents[3]
RUN = """
import json, sys
from nwh.ingest.demo.text import demo_documents
before = set(sys.modules)
documents = [(d.doc_id, d.text, d.metadata) for d in demo_documents(60_000)]
imported = sorted(name for name in set(sys.modules) - before if "." not in name)
print(json.dumps([documents, imported]))
"""

DOCSTRING = """Compute the mean of the given numbers.

    The result is *always* a float, see :func:`~statistics.fmean` and the `guide <https://x.org>`_ for
    more about ``None`` and [`Mean`] values. It
    spans lines.

    Parameters
    ----------
    x : list
        The numbers that are to be averaged, in any order.

    Notes
    -----
    The algorithm is the one that **everybody** learns at school.

    - A list item that looks like a sentence is left out.

    >>> mean([1, 2])
    1.5

    .. note:: A directive is not a paragraph of running text.

    For example, this introduces code::

        The code itself is indented and goes away.

    The set {x | x > 0} is not a sentence that reads well.

    :param x: A field of a parameter is left out too.
    Too short.
    """


def test_prose_keeps_sentences_and_drops_the_rest():
    assert list(prose(DOCSTRING)) == [
        "Compute the mean of the given numbers.",
        "The result is always a float, see fmean and the guide for more about None and Mean values. It spans lines.",
        "The algorithm is the one that everybody learns at school.",
    ]


@pytest.fixture(scope="module")
def documents():
    return list(demo_documents())


def test_the_demo_has_a_mixture_of_packages(documents):
    characters = {}
    for document in documents:
        package, module = (dict(document.metadata)[key] for key in ("package", "module"))
        assert document.doc_id == module or document.doc_id.startswith(f"{module}.")
        assert package == "python" or module.split(".")[0] == package
        characters[package] = characters.get(package, 0) + len(document.text)
    assert {"python", "numpy", "torch", "transformers", "polars", "nltk"} <= set(characters)
    assert max(characters.values()) < 0.15 * sum(characters.values())
    assert len({document.doc_id for document in documents}) == len(documents) > 100
    assert 200_000 < sum(characters.values()) < 260_000


def test_the_demo_is_prose(documents):
    paragraphs = [paragraph for document in documents for paragraph in document.text.split("\n\n")]
    assert len(set(paragraphs)) == len(paragraphs)
    for paragraph in paragraphs:
        assert re.fullmatch(r"[A-Z].*[.!?]", paragraph)
        assert not re.search(r">>>|`|https?:|\n|:param|::", paragraph)


def test_every_paragraph_stands_in_its_module(documents):
    root = Path(text.find_spec("torch").submodule_search_locations[0]).parent
    for document in documents:
        if document.metadata[0] == ("package", "torch"):
            path = root / document.doc_id.replace(".", "/")
            source = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"
            words = set(re.findall(r"\w+", source.read_text()))
            assert set(re.findall(r"\w+", document.text)) <= words


def test_two_runs_give_the_same_text_and_import_nothing():
    first, second = (
        json.loads(
            subprocess.check_output([sys.executable, "-c", RUN], cwd=ROOT, env={"PYTHONHASHSEED": seed}, text=True)
        )
        for seed in ("1", "2")
    )
    assert first == second
    documents, imported = first
    assert 40_000 < sum(len(text) for _, text, _ in documents) < 66_000
    assert not {"torch", "scipy", "transformers", "polars", "streamlit", "nltk", "pandas"} & set(imported)


def test_budget_is_kept(documents, monkeypatch):
    longest = max(len(paragraph) for document in documents for paragraph in document.text.split("\n\n"))
    assert max(len(document.text) for document in documents) < text._PER_MODULE + longest
    read, module_prose = [], text._module_prose
    monkeypatch.setattr(text, "_module_prose", lambda path: read.append(path) or module_prose(path))
    assert 0 < sum(len(document.text) for document in demo_documents(3_000)) < 10_000
    assert len(read) < 1_000
