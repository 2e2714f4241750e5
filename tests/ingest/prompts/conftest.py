"""NLTK with a WordNet of a few words, and without one."""

from __future__ import annotations

import nltk
import pytest
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.corpus.util import LazyCorpusLoader

from nwh.ingest.prompts import paraphrases
from tests.ingest.prompts import tiny_wordnet as files


@pytest.fixture
def unloaded_wordnet(monkeypatch):
    """A WordNet that NLTK looks for when it is asked first, whatever it had loaded before."""
    monkeypatch.setattr("nltk.corpus.wordnet", LazyCorpusLoader("wordnet", WordNetCorpusReader, object()))
    paraphrases._synonyms.cache_clear()
    yield
    paraphrases._synonyms.cache_clear()


@pytest.fixture
def no_wordnet(monkeypatch, unloaded_wordnet):
    monkeypatch.setattr(nltk.data, "path", [])


@pytest.fixture
def tiny_wordnet(monkeypatch, unloaded_wordnet, tmp_path):
    files.write(tmp_path, files.SYNSETS)
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
