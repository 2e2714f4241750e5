"""Paraphrases: how many words change, into what, and that the same seed gives the same ones."""

from __future__ import annotations

import importlib.util
import json

import pytest

from nwh.ingest.prompts.paraphrases import LEAD_INS, paraphraser, synonym_paraphrases
from nwh.ingest.prompts.synonyms import GROUPS

MEMBERS = [[member.strip() for member in line.split(",")] for line in GROUPS.strip().splitlines()]


def partners(word):
    return {member for members in MEMBERS if word in members for member in members} - {word}


def test_one_fifth_of_the_words_become_others_of_their_group():
    question = "who wrote the famous book about the big city in england"  # 11 words: 2 change
    found = synonym_paraphrases(question, 10)
    assert len(set(found)) == 10
    for text in found:
        assert text != question
        # Replacing words by phrases shifts what follows, so the changes are undone one by one instead.
        words, rest, changed = question.split(), text, 0
        for word in words:
            if rest == word or rest.startswith(word + " "):
                rest = rest[len(word) + 1 :]
                continue
            new = next(each for each in sorted(partners(word), key=len, reverse=True) if rest.startswith(each))
            rest, changed = rest[len(new) + 1 :], changed + 1
        assert (rest, changed) == ("", 2)


def test_at_least_one_word_changes_and_case_and_marks_stay():
    found = synonym_paraphrases('Is "Films" big?', 6)
    own = [text for text in found if not text.startswith(LEAD_INS)]
    assert set(own) <= {'Is "Movies" big?', 'Is "Pictures" big?', 'Is "Films" large?'}
    assert len(own) == 3


def test_questions_with_too_few_synonyms_get_lead_ins():
    found = synonym_paraphrases("what is that", 4)
    assert len(set(found)) == 4
    assert all(text.endswith("what is that") and text.startswith(LEAD_INS) for text in found)


def test_the_seed_and_the_question_alone_decide():
    question = "who wrote the famous book about the big city in england"
    assert synonym_paraphrases(question, 3, 1) == synonym_paraphrases(question, 3, 1)
    assert synonym_paraphrases(question, 3, 1) != synonym_paraphrases(question, 3, 2)
    assert synonym_paraphrases(question, 0) == []


def test_the_list_of_synonyms_is_in_order():
    assert len(MEMBERS) > 150
    assert all(len(members) >= 2 and len(set(members)) == len(members) for members in MEMBERS)
    assert all(member and member == member.lower() for members in MEMBERS for member in members)
    assert len({tuple(sorted(members)) for members in MEMBERS}) == len(MEMBERS)


def test_every_real_question_has_three(data):
    with open(data / "prompts/nq_open.jsonl") as file:
        questions = [json.loads(line)["question"] for line in file][:300]
    assert all(len(set(synonym_paraphrases(question, 3)) - {question}) == 3 for question in questions)


def test_the_list_is_used_where_textattack_is_not_installed():
    if importlib.util.find_spec("textattack"):
        pytest.skip("TextAttack is installed")
    chosen = paraphraser(3)
    assert (chosen.name, "TextAttack is not installed" in chosen.note) == ("synonyms", True)
    assert chosen.paraphrase("who wrote it", 2) == synonym_paraphrases("who wrote it", 2, 3)


def test_textattack_where_it_is_installed():
    pytest.importorskip("textattack")
    chosen = paraphraser(0)
    if chosen.name != "textattack":
        pytest.skip(chosen.note)
    question = "who wrote the famous book about the big city in england"
    found = chosen.paraphrase(question, 2)
    assert 0 < len(set(found) - {question}) <= 2
    assert found == chosen.paraphrase(question, 2)
