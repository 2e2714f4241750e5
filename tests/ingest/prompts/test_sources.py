"""Prompt files: what each format becomes, and what is refused with file and line."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from nwh.ingest.prompts.prompt import Prompt, Reading
from nwh.ingest.prompts.sources import read_prompt_file
from nwh.warehouse.errors import SourceError, UsageError


@pytest.fixture
def write(tmp_path):
    def to(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), newline="")
        return str(path)

    return to


def lines(*objects):
    return "".join(json.dumps(each) + "\n" for each in objects)


# -- generics-kb ------------------------------------------------------------------------------------------------

KB = (
    "grammar\tGrammars usually  classify words.\t0.9\r\n"
    "gold\tGold is a metal that people like.\t1.0\r\n"
    "metal\tSome metals, a metal too, are soft.\t0.7\r\n"
    "soft metal\tSoft metals bend.\t0.7\r\n"
    "word\tA half-word is no word in gold.\t0.7\r\n"
    "a\tNothing here.\t0.5\r\n"
)


def test_a_concepts_sentences_are_those_of_its_term(write):
    found = read_prompt_file(write("kb.tsv", KB))
    assert found.format == "generics-kb"
    assert found.prompts == [
        Prompt("mlm", "gold", "[MASK] is a metal that people like.", "Gold", "1/gold"),
        Prompt("mlm", "metal", "Some metals, a [MASK] too, are soft.", "metal", "2/metal"),
        Prompt("mlm", "word", "A half-word is no [MASK] in gold.", "word", "4/word"),
    ]
    assert found.left_out == {
        "lines do not hold their term as a word (--inflections takes words that begin with it)": 2,
        "lines have a term of several words": 1,
    }


def test_inflections_keep_the_rest_of_the_word(write):
    found = read_prompt_file(write("kb.tsv", KB), reading=Reading(inflections=True))
    texts = [prompt.text for prompt in found.prompts]
    assert texts[0] == "[MASK]s usually classify words."
    assert found.prompts[0].answer == "Grammar"
    assert not any("soft" in text for text in texts), "metals and metal: the prompt would hold its answer"
    assert not any(prompt.concept == "a" for prompt in found.prompts), "a is too short to begin a word"


def test_all_sentences_that_hold_a_term_as_a_lower_case_word(write):
    found = read_prompt_file(write("kb.tsv", KB), reading=Reading(match="sentence"))
    assert [(prompt.concept, prompt.text, prompt.fact_id) for prompt in found.prompts] == [
        ("a", "Gold is [MASK] metal that people like.", "1/a"),
        ("metal", "Gold is a [MASK] that people like.", "1/metal"),
        ("a", "Some metals, [MASK] metal too, are soft.", "2/a"),
        ("metal", "Some metals, a [MASK] too, are soft.", "2/metal"),
        ("word", "A half-word is no [MASK] in gold.", "4/word"),
        ("gold", "A half-word is no word in [MASK].", "4/gold"),
    ]


def test_a_word_that_several_terms_begin_belongs_to_the_longest(write):
    kb = "cat\tx\t1\ncattle\tx\t1\nseen\tThe cattles and cats are seen, seen.\t1\n"
    found = read_prompt_file(write("kb.tsv", kb), reading=Reading("sentence", True))
    assert [(prompt.concept, prompt.text) for prompt in found.prompts] == [
        ("cattle", "The [MASK]s and cats are seen, seen."),
        ("cat", "The cattles and [MASK]s are seen, seen."),
    ]
    assert found.left_out == {"words stand in their sentence twice: the prompt would hold its answer": 2}


def test_real_sentences_as_counted_by_hand(data):
    """The same count with nothing but a regular expression over the file."""
    rows = [line.split("\t") for line in (data / "prompts/generics_kb.tsv").read_text().splitlines()]
    sentences = [Counter(re.findall(r"\w+(?:[-']\w+)*", sentence)) for _, sentence, _ in rows]
    terms = {term for term, _, _ in rows if " " not in term and term.islower()}
    in_sentences = Counter(word for words in sentences for word in words if word in terms)
    assert sum(n >= 4 for n in in_sentences.values()) == 1265
    once = Counter(word for words in sentences for word, n in words.items() if word in terms and n == 1)
    found = read_prompt_file(str(data / "prompts/generics_kb.tsv"), reading=Reading(match="sentence"))
    stored = Counter(prompt.concept for prompt in found.prompts)
    assert sum(found.left_out.values()) + len(found.prompts) == sum(
        n for words in sentences for word, n in words.items() if word in terms
    )
    assert stored.keys() <= once.keys()
    assert sum(once.values()) - sum(stored.values()) == found.left_out["repeat an earlier prompt word for word"] < 5


# -- natural-questions ------------------------------------------------------------------------------------------


def test_a_question_asks_for_its_first_answer_of_one_word(write):
    path = write(
        "nq.jsonl",
        lines(
            {"question": "who  won ", "answer": ["The Team", "Anna", "Ann"]},
            {"question": "when", "answer": ["May 1990"]},
            {"question": "where", "answer": "Rome"},
            {"question": "what season", "answer": [")"]},
        ),
    )
    found = read_prompt_file(path)
    assert found.format == "natural-questions"
    assert found.prompts == [
        Prompt("clm", "Anna", "who won", "Anna", "0"),
        Prompt("clm", "Rome", "where", "Rome", "2"),
    ]
    assert found.left_out == {"questions have no answer of one word": 2}
    assert [p.answer for p in read_prompt_file(path, reading=Reading(multi_word=True)).prompts] == [
        "The Team",
        "May 1990",
        "Rome",
    ]


def test_real_questions(data):
    path = data / "prompts/nq_open.jsonl"
    answers = [json.loads(line)["answer"] for line in path.read_text().splitlines()]
    wanted = [each for each in answers if any(re.search(r"^\S*[^\W_]\S*$", answer.strip()) for answer in each)]
    assert len(read_prompt_file(str(path)).prompts) == len(wanted) == 1369


# -- pararel ----------------------------------------------------------------------------------------------------


def test_templates_of_a_fact_share_its_number_and_repeats_are_left_out(write):
    facts = [
        [
            ["Edmonton is the capital of [MASK].", "Alberta", "P1376"],
            ["[MASK]'s capital, Edmonton.", "Alberta", "P1376"],
        ],
        [["Rome is the capital of [MASK].", "Italy", "P1376"]],
        [["Rome is the capital of [MASK].", "Italy", "P1376"]],
    ]
    found = read_prompt_file(write("facts.json", facts))
    assert found.format == "pararel"
    assert [(p.objective, p.fact_id, p.concept, p.text) for p in found.prompts] == [
        ("mlm", "0", "Alberta", "Edmonton is the capital of [MASK]."),
        ("mlm", "0", "Alberta", "[MASK]'s capital, Edmonton."),
        ("mlm", "1", "Italy", "Rome is the capital of [MASK]."),
    ]
    assert found.left_out == {"repeat an earlier prompt word for word": 1}


# -- jsonl ------------------------------------------------------------------------------------------------------


def test_jsonl_takes_what_is_given_and_tells_the_rest(write):
    path = write(
        "own.jsonl",
        lines(
            {"text": "Paris is in [MASK].", "answer": "France"},
            {"text": "Rome is in ", "answer": " Italy", "concept": "country", "id": 7, "frequency": 12},
            {
                "text": "Oslo is in",
                "answer": "Norway",
                "concept": "country",
                "fact_id": "f",
                "id": "x",
                "frequency": 12.0,
            },
        ),
    )
    found = read_prompt_file(path)
    assert found.format == "jsonl"
    assert found.prompts == [
        Prompt("mlm", "France", "Paris is in [MASK].", "France", "0", None),
        Prompt("clm", "country", "Rome is in", "Italy", "7", 12),
        Prompt("clm", "country", "Oslo is in", "Norway", "f", 12.0),
    ]


# -- what is refused --------------------------------------------------------------------------------------------

GOOD = {"text": "a [MASK]", "answer": "b"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.jsonl", lines(GOOD, {"text": "a", "answer": "b", "objective": "mlm"}), r"line 2: no \[MASK\] in 'a'"),
        ("p.jsonl", lines({"text": "[MASK] [MASK]", "answer": "b"}), r"line 1: 2 times \[MASK\]"),
        ("p.jsonl", lines({"text": "a [MASK]", "answer": "b", "objective": "clm"}), "line 1: .*whose objective is clm"),
        ("p.jsonl", lines({"text": "a", "answer": "b", "objective": "rtd"}), "line 1: objective 'rtd' is not known"),
        ("p.jsonl", lines(GOOD, {"text": "a [MASK]"}), "line 2: the answer is missing"),
        ("p.jsonl", lines({"text": "a [MASK]", "answer": " "}), "line 1: the answer is missing"),
        ("p.jsonl", lines({"answer": "b"}), 'line 1: no "text"'),
        ("p.jsonl", lines({"text": " ", "answer": "b"}), "line 1: the text is empty"),
        ("p.jsonl", lines({"text": ["a"], "answer": "b"}), 'line 1: "text" is not text'),
        ("p.jsonl", lines({"text": "a <mask>", "answer": "b"}), "'<mask>' belongs to one tokenizer"),
        ("p.jsonl", lines({"text": "a [MASK] ##s", "answer": "b"}), r"'\[MASK\] ##' belongs to one tokenizer"),
        ("p.jsonl", lines({**GOOD, "id": 1}, {**GOOD, "id": "1"}), "line 2: id '1' is that of line 1 too"),
        ("p.jsonl", lines({**GOOD, "id": [1]}), 'line 1: "id" is neither'),
        ("p.jsonl", lines({**GOOD, "frequency": "often"}), "line 1: \"frequency\" 'often' is not a number"),
        ("p.jsonl", lines({**GOOD, "frequency": 1}, {**GOOD, "frequency": 2}), "line 2: frequency 2 of 'b' was 1"),
        ("p.jsonl", '{"text": "a [MASK]", "answer": "b"}\n{"text"\n', "line 2: not JSON"),
        ("p.jsonl", "", "holds no prompt of format jsonl: it is empty"),
        ("q.jsonl", lines({"question": "who", "answer": []}), 'line 1: no "answer"'),
        ("q.jsonl", lines({"question": "who", "answer": ["x", ""]}), 'line 1: no "answer"'),
        ("q.jsonl", lines({"question": "who", "answer": ["x"]}, {"answer": ["x"]}), 'line 2: no "question"'),
        (
            "q.jsonl",
            lines({"question": "who", "answer": ["x y"]}),
            "holds no prompt .*1 questions have no answer of one",
        ),
        ("kb.tsv", "gold\tGold is.\t1\ngold\tGold is.\n", "line 2: 2 columns where"),
        ("kb.tsv", "gold\tGold is.\tmuch\n", "line 1: 3 columns where term, sentence and score"),
        ("kb.tsv", "", "holds no prompt of format generics-kb: it is empty"),
        ("f.json", "[\n[[", "line 2: not JSON"),
        ("f.json", "{}", "line 1: not a list"),
        ("f.json", [["a"]], "fact 0, prompt 0 .from 0.: a fact is a list of"),
        ("f.json", [[["a [MASK]", "b", "P1"]], []], "fact 1 .from 0.: not a list with prompts"),
        ("f.json", [[["a", "b", "P1"]]], r"fact 0, prompt 0 .from 0.: no \[MASK\] in 'a'"),
        ("f.json", [[["a [MASK]", "", "P1"]]], "prompt 0 .from 0.: the answer is missing"),
        ("f.json", "", "holds no prompt of format pararel: it is empty"),
    ],
)
def test_what_cannot_be_a_prompt_is_named_with_file_and_line(write, name, content, message):
    path = write(name, content)
    with pytest.raises(SourceError, match=message) as raised:
        read_prompt_file(path)
    assert str(raised.value).startswith(path)


def test_wrong_use(write, tmp_path):
    with pytest.raises(UsageError, match="does not exist"):
        read_prompt_file(str(tmp_path / "nowhere.tsv"))
    with pytest.raises(UsageError, match="unknown format 'csv': use one of generics-kb"):
        read_prompt_file(write("p.jsonl", lines(GOOD)), "csv")
    with pytest.raises(UsageError, match="cannot tell the format of .*p.txt"):
        read_prompt_file(write("p.txt", "x"))
    with pytest.raises(UsageError, match="--match 'word' is not known"):
        Reading(match="word")
    with pytest.raises(SourceError, match='line 1: no "question"'):
        read_prompt_file(write("p.jsonl", lines(GOOD)), "natural-questions")


BODY = [
    ("gold", "Gold is a metal that people like.", "1.0"),
    ("metal", 'Some metals, a metal "too", are soft.', "0.7"),
]
HEADERS = {
    "authors": ("SOURCE", "TERM", "QUANTIFIER", "GENERIC SENTENCE", "SCORE"),  # of GenericsKB-Best.tsv
    "three columns": ("Term", "Sentence", "Score"),
    "other names": ("topic", "generic_sentence", "confidence"),
    "another order": ("score", "sentence", "term"),
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_says_which_column_is_what(write, header, end):
    places = {"term": 0, "topic": 0, "sentence": 1, "generic sentence": 1, "score": 2, "confidence": 2}
    named = [places.get(name.lower().replace("_", " ")) for name in header]
    rows = [[row[place] if place is not None else "{'number': 'many'}" for place in named] for row in BODY]
    rows[1] = [f'"{cell.replace(chr(34), 2 * chr(34))}"' if '"' in cell else cell for cell in rows[1]]
    text = "".join("\t".join(row) + end for row in [header, *rows])
    plain = "".join("\t".join(row) + "\n" for row in BODY)
    assert read_prompt_file(write("kb.tsv", text)).prompts == read_prompt_file(write("plain.tsv", plain)).prompts
    assert read_prompt_file(write("kb.tsv", text)).prompts[1].text == 'Some metals, a [MASK] "too", are soft.'


def test_a_line_that_does_not_fit_its_header_is_named(write):
    path = write("kb.tsv", "\t".join(HEADERS["authors"]) + "\nWaterloo\tgold\tGold is.\t1.0\n")
    with pytest.raises(SourceError, match="line 2: 4 columns where the header has 5"):
        read_prompt_file(path)
