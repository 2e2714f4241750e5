"""Real text and trees for the tests that want them, from `NWH_TEST_DATA`."""

import os
import re
from pathlib import Path

import polars as pl
import pytest

DATA = Path(os.environ.get("NWH_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


def _file(name: str) -> Path:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in NWH_TEST_DATA ({DATA})")
    return DATA / name


@pytest.fixture(scope="session")
def brown_words() -> list[list[str]]:
    """Words of 6,000 sentences of Brown, split by a regular expression."""
    texts = pl.read_parquet(_file("corpora/brown.parquet"))["text"][::10]
    sentences = [part for text in texts for part in re.split(r"(?<=[.!?])\s+", text)]
    return [re.findall(r"\w+(?:'\w+)?|[^\w\s]", sentence) for sentence in sentences][:6000]


@pytest.fixture(scope="session")
def wsj() -> Path:
    """Gold trees of the Penn Treebank sample."""
    return _file("trees/wsj.mrg")
