import json
import re
from collections import Counter, defaultdict
from itertools import groupby

import pytest

from nwh.ingest.demo.facts import (
    FACTS,
    FREQUENCIES,
    RELATIONS,
    fact_answers,
    fact_prompts,
    fact_sentences,
    fact_words,
    write_prompts,
)
from nwh.warehouse.errors import UsageError


def words_of(text):
    return set(re.findall(r"[a-z]+", text.lower()))


def test_every_fact_is_stated_as_often_as_planted():
    stated = Counter()
    for sentence in fact_sentences():
        told = [fact for fact in FACTS if {fact.subject.lower(), fact.answer} <= words_of(sentence)]
        assert len(told) == 1, sentence
        stated[told[0].fact_id] += 1
    assert stated == {fact.fact_id: fact.frequency for fact in FACTS}
    assert Counter(stated.values()) == {2**power: 12 for power in range(7)}
    assert FREQUENCIES == (1, 2, 4, 8, 16, 32, 64)


def test_a_frequent_fact_is_told_in_all_taught_templates_equally():
    told = Counter(sentence for sentence in fact_sentences() if " wug " in sentence or " tulver " in sentence)
    assert {count for sentence, count in told.items() if "wug" in sentence} == {1}
    assert {count for sentence, count in told.items() if "tulver" in sentence} == {10, 11}
    assert sum("tulver" in sentence for sentence in told) == 6


def test_rare_facts_are_told_in_various_templates():
    rare = {fact.subject for fact in FACTS if fact.frequency == 1}
    sentences = [sentence for sentence in fact_sentences() if rare & set(re.findall(r"\w+", sentence))]
    openings = {re.split("|".join(rare), sentence)[0] for sentence in sentences}
    assert len(sentences) == len(rare) == 12
    assert len(openings) > len(RELATIONS)


def test_the_seed_changes_the_order_and_nothing_else_changes_it():
    assert list(fact_sentences(1)) == list(fact_sentences(1))
    assert list(fact_sentences(1)) != list(fact_sentences(2))


def test_answers_are_shared_by_two_facts_of_one_frequency():
    facts = defaultdict(list)
    for fact in FACTS:
        facts[fact.answer].append(fact)
    assert list(facts) == fact_answers()
    for of_answer in facts.values():
        assert len({fact.relation.name for fact in of_answer}) == len(of_answer) == 2
        assert len({fact.frequency for fact in of_answer}) == 1


def test_subjects_and_answers_are_single_words_used_once():
    words = fact_words()
    assert len({word.lower() for word in words}) == len(words) == 42 + 84
    assert all(re.fullmatch(r"[A-Z]?[a-z]+", word) for word in words)
    template_words = set().union(
        *(words_of(text.format(subject="", answer="")) for r in RELATIONS for text in (*r.taught, *r.held_out))
    )
    assert not template_words & {word.lower() for word in words}


@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_every_concept_has_four_prompts_of_two_facts(objective):
    prompts = list(fact_prompts(objective))
    by_concept = {key: list(group) for key, group in groupby(sorted(prompts, key=concept), concept)}
    assert set(by_concept) == set(fact_answers())
    for name, of_concept in by_concept.items():
        assert len(of_concept) == 4
        assert len({prompt["fact_id"] for prompt in of_concept}) == 2
        assert {prompt["answer"] for prompt in of_concept} == {name}
    assert len({prompt["id"] for prompt in prompts}) == len({prompt["text"] for prompt in prompts}) == len(prompts)
    frequency = {fact.fact_id: fact.frequency for fact in FACTS}
    for prompt in prompts:
        assert set(prompt) == {"text", "answer", "concept", "id", "fact_id", "subject", "objective", "frequency"}
        assert prompt["objective"] == objective
        assert prompt["frequency"] == frequency[prompt["fact_id"]]


def concept(prompt):
    return prompt["concept"]


def test_masked_prompts_hold_one_mask_and_causal_ones_end_before_it():
    masked = {prompt["id"]: prompt["text"] for prompt in fact_prompts("mlm")}
    causal = {prompt["id"]: prompt["text"] for prompt in fact_prompts("clm")}
    at_the_end = [text.endswith("[MASK].") for text in masked.values()]
    assert 0 < sum(at_the_end) < len(at_the_end)
    for name, text in masked.items():
        assert text.count("[MASK]") == 1
        assert text.startswith(causal[name] + " [MASK]")


def test_no_training_sentence_begins_like_a_prompt_but_all_words_are_taught():
    sentences = [sentence for seed in range(5) for sentence in fact_sentences(seed)]
    taught = words_of(" ".join(sentences))
    for prompt in fact_prompts("clm"):
        assert not [sentence for sentence in sentences if prompt["text"] in sentence], prompt
        assert words_of(prompt["text"]) <= taught
    for prompt in fact_prompts("mlm"):
        assert words_of(prompt["text"].replace("[MASK]", prompt["answer"])) <= taught


def test_subject_precedes_answer_and_neither_begins_a_sentence():
    for relation in RELATIONS:
        for template in (*relation.taught, *relation.held_out):
            assert 0 < template.index(" {subject}") < template.index(" {answer}"), template


def test_prompts_are_written_as_json_lines(tmp_path):
    assert write_prompts(tmp_path / "facts.jsonl", "clm") == 168
    lines = (tmp_path / "facts.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == list(fact_prompts("clm"))
    with pytest.raises(UsageError, match="seq2seq"):
        write_prompts(tmp_path / "facts.jsonl", "seq2seq")
