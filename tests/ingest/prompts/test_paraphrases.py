"""Paraphrases: how many words change, into what, and that the same seed gives the same ones."""

from __future__ import annotations

from collections import Counter

import nltk
import pytest

from nwh.ingest.prompts import paraphrases
from nwh.ingest.prompts.paraphrases import paraphraser, wordnet_paraphrases
from tests.ingest.prompts.tiny_wordnet import SYNSETS

QUESTION = "who wrote the famous book about the big city in england"  # 11 words: 2 change


def partners(word):
    return {other for _, words, _ in SYNSETS for other in words if word in words} - {word}


def test_one_fifth_of_the_words_become_synonyms(tiny_wordnet):
    found = wordnet_paraphrases(QUESTION, 6)
    assert len(set(found)) == 6
    for text in found:
        changed = [(old, new) for old, new in zip(QUESTION.split(), text.split(), strict=True) if old != new]
        assert len(changed) == 2
        assert all(new in partners(old) for old, new in changed)


def test_at_least_one_word_changes_and_case_and_marks_stay(tiny_wordnet):
    found = wordnet_paraphrases('Is "Film" 3 big?', 9)
    assert set(found) == {
        *('Is "Movie" 3 big?', 'Is "Moving picture" 3 big?', 'Is "Film" 3 large?', 'Is "Film" 3 bad?')
    }


def test_function_words_inflected_forms_and_names_stay(tiny_wordnet):
    """`in` is an inch and a metal there, `sang` a plant, `Song` a dynasty."""
    assert wordnet_paraphrases("who wrote in england", 3) == []
    assert wordnet_paraphrases("who sang films", 3) == []
    assert wordnet_paraphrases("what song", 3) == ["what vocal"]


def test_commoner_meanings_come_more_often(tiny_wordnet):
    drawn = Counter(wordnet_paraphrases("big", 1, seed)[0] for seed in range(300))
    assert set(drawn) == {"large", "bad"}
    assert drawn["large"] > 280  # 101 of 102


def test_the_seed_and_the_question_alone_decide(tiny_wordnet):
    assert wordnet_paraphrases(QUESTION, 3, 1) == wordnet_paraphrases(QUESTION, 3, 1)
    assert wordnet_paraphrases(QUESTION, 3, 1) != wordnet_paraphrases(QUESTION, 3, 2)
    assert wordnet_paraphrases(QUESTION, 0) == []
    assert paraphraser(1).paraphrase(QUESTION, 3) == wordnet_paraphrases(QUESTION, 3, 1)


def test_without_data_there_is_none(no_wordnet):
    assert paraphraser() is None


def test_synonyms_in_the_real_wordnet(unloaded_wordnet):
    try:
        nltk.corpus.wordnet.ensure_loaded()
    except LookupError:
        pytest.skip("WordNet's data are not installed")
    assert {"volume"} <= set(paraphrases._synonyms("book"))
    assert {"renowned", "celebrated"} <= set(paraphrases._synonyms("famous"))
    assert not paraphrases._synonyms("sang")


def test_textattack_where_it_is_installed():
    pytest.importorskip("textattack")
    chosen = paraphraser(0)
    if chosen is None or chosen.name != "textattack":
        pytest.skip("WordNet's data are not installed")
    found = chosen.paraphrase(QUESTION, 2)
    assert 0 < len(set(found) - {QUESTION}) <= 2
    assert found == chosen.paraphrase(QUESTION, 2)
