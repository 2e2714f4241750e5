"""Prompt files to prompts, independent of any tokenizer: four formats, checked line by line.

A masked prompt holds `[MASK]` once, where its answer stands; a causal prompt ends before its answer.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from nwh.ingest.prompts.generics_kb import generics_kb
from nwh.ingest.prompts.prompt import MASK, Prompt, Reading, bad_prompt
from nwh.ingest.text.formats.lines import File, uncompressed
from nwh.ingest.text.sources import FORMATS as TEXT_FORMATS
from nwh.warehouse.errors import SourceError, UsageError

_FOREIGN = re.compile(r"<mask>|<extra_id_\d+>|\[MASK\] ?##")


@dataclass
class PromptFile:
    """The prompts of a file, in order, and how many of its rows made none, by reason."""

    format: str
    prompts: list[Prompt] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_prompt_file(source: str, format: str | None = None, reading: Reading | None = None) -> PromptFile:
    """Read a prompt file; the format is told from its name and first line where it is null.

    UsageError: no such file, an unknown format. SourceError, naming file and line: what cannot be a prompt, a
    repeated id, a file without prompts. Prompts that repeat an earlier one word for word are left out.
    """
    if format is not None and format not in PROMPT_FORMATS:
        raise UsageError(f"unknown format {format!r}: use one of {', '.join(PROMPT_FORMATS)}")
    path = Path(source)
    if not path.is_file():
        raise UsageError(f"prompt file {source!r} does not exist")
    file = File(path, path.name)
    found = PromptFile(format or _guess(file))
    seen = set()
    for prompt in PROMPT_FORMATS[found.format](file, reading or Reading(), found.left_out):
        key = (prompt.objective, prompt.text, prompt.answer, prompt.concept)
        if key in seen:
            found.left_out["repeat an earlier prompt word for word"] += 1
            continue
        seen.add(key)
        found.prompts.append(prompt)
    if not found.prompts:
        why = "; ".join(f"{n:,} {reason}" for reason, n in found.left_out.items())
        raise SourceError(f"{path} holds no prompt of format {found.format}: {why or 'it is empty'}")
    return found


def _guess(file: File) -> str:
    suffix = uncompressed(file.path).suffix.lower()
    if suffix in (".jsonl", ".ndjson"):
        first = next(TEXT_FORMATS["jsonl"].rows(file, []), ("", {}))[1]
        return "natural-questions" if "question" in first else "jsonl"
    by_suffix = {".tsv": "generics-kb", ".json": "pararel"}
    if suffix not in by_suffix:
        raise UsageError(f"cannot tell the format of {file.path} from its name: give --format")
    return by_suffix[suffix]


# -- natural-questions: {"question", "answer": [...]} -----------------------------------------------------------


def _natural_questions(file: File, reading: Reading, left_out: Counter[str]) -> Iterator[Prompt]:
    """Yield one prompt per question: its answers say the same in several ways, so the first fitting one is taken.

    A prompt for each would make one question positive for a concept and negative for another of its answers.
    """
    for ordinal, (where, row) in enumerate(TEXT_FORMATS["jsonl"].rows(file, [])):
        question, answers = row.get("question"), row.get("answer")
        if not isinstance(question, str) or not question.strip():
            raise bad_prompt(file, where, 'no "question": each line is {"question": text, "answer": [text, …]}')
        answers = [answers] if isinstance(answers, str) else answers
        if not isinstance(answers, list) or not answers or not all(_is_text(answer) for answer in answers):
            raise bad_prompt(file, where, 'no "answer": each line is {"question": text, "answer": [text, …]}')
        answers = [" ".join(answer.split()) for answer in answers]
        fitting = [answer for answer in answers if reading.multi_word or " " not in answer]
        fitting = [answer for answer in fitting if any(map(str.isalnum, answer))]  # `)` is there, as an answer
        if not fitting:
            left_out["questions have no answer of one word"] += 1
            continue
        yield Prompt("clm", fitting[0], " ".join(question.split()), fitting[0], str(ordinal))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


# -- pararel: facts with several templates ----------------------------------------------------------------------


def _pararel(file: File, reading: Reading, left_out: Counter[str]) -> Iterator[Prompt]:
    text = "\n".join(row["text"] for _, row in TEXT_FORMATS["lines"].rows(file, []))
    try:
        facts = json.loads(text or "[]")
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise bad_prompt(file, f"line {line}", f"not JSON ({error}): a pararel file is one list of facts") from error
    shape = "a fact is a list of [prompt with [MASK], answer, relation]"
    if not isinstance(facts, list):
        raise bad_prompt(file, "line 1", f"not a list: {shape}")
    for ordinal, fact in enumerate(facts):
        if not isinstance(fact, list) or not fact:
            raise bad_prompt(file, f"fact {ordinal} (from 0)", f"not a list with prompts: {shape}")
        for place, item in enumerate(fact):
            where = f"fact {ordinal}, prompt {place} (from 0)"
            if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) for part in item):
                raise bad_prompt(file, where, shape)
            yield _checked(file, where, Prompt("mlm", "", item[0], item[1], str(ordinal)))


# -- jsonl: {"text", "answer"} and optionally more --------------------------------------------------------------


def _jsonl(file: File, reading: Reading, left_out: Counter[str]) -> Iterator[Prompt]:
    ids: dict[str, str] = {}
    frequencies: dict[str, float | None] = {}
    for ordinal, (where, row) in enumerate(TEXT_FORMATS["jsonl"].rows(file, [])):
        for name in ("text", "answer", "concept", "objective", "subject"):
            if not isinstance(row.get(name, ""), str):
                raise bad_prompt(file, where, f'"{name}" is not text')
        for name in ("id", "fact_id"):
            if isinstance(row.get(name, ""), bool) or not isinstance(row.get(name, ""), str | int):
                raise bad_prompt(file, where, f'"{name}" is neither text nor a whole number')
        if "text" not in row:
            raise bad_prompt(file, where, 'no "text": each line is {"text": prompt, "answer": text, …}')
        objective = row.get("objective") or ("mlm" if MASK in row["text"] else "clm")
        if "id" in row and ids.setdefault(str(row["id"]), where) != where:
            raise bad_prompt(file, where, f"id {row['id']!r} is that of {ids[str(row['id'])]} too: make ids different")
        fact_id = str(row.get("fact_id", row.get("id", ordinal)))
        frequency, subject = row.get("frequency"), row.get("subject", "").strip() or None
        read = Prompt(
            objective, row.get("concept", ""), row["text"], row.get("answer", ""), fact_id, frequency, subject
        )
        prompt = _checked(file, where, read)
        if frequencies.setdefault(prompt.concept, frequency) != frequency:
            before = frequencies[prompt.concept]
            what = f"frequency {frequency} of {prompt.concept!r} was {before} before: give one per concept"
            raise bad_prompt(file, where, what)
        yield prompt


def _checked(file: File, where: str, prompt: Prompt) -> Prompt:
    """Return a prompt as it is stored, its answer for a concept that is empty; SourceError: no model could use it."""
    bad = partial(bad_prompt, file, where)
    objective, text, answer = prompt.objective, prompt.text, prompt.answer.strip()
    masks, frequency = text.count(MASK), prompt.frequency
    if objective not in ("mlm", "clm"):
        raise bad(f'objective {objective!r} is not known: use "mlm" (text with {MASK}) or "clm" (text ends before it)')
    if foreign := _FOREIGN.search(text):
        raise bad(f"{foreign[0]!r} belongs to one tokenizer: write {MASK}, for every model, and words as they stand")
    if objective == "mlm" and masks != 1:
        raise bad(f"{f'{masks} times' if masks else 'no'} {MASK} in {text!r}: a masked prompt holds it once")
    if objective == "clm" and masks:
        raise bad(f"{MASK} in {text!r}, whose objective is clm: a causal prompt ends before its answer")
    if not answer:
        raise bad('the answer is missing: give "answer", what stands in the place of [MASK] or follows the text')
    if not text.replace(MASK, "").strip():
        raise bad("the text is empty")
    if isinstance(frequency, bool) or not isinstance(frequency, int | float | None) or frequency != frequency:
        raise bad(f'"frequency" {frequency!r} is not a number')
    text = text.rstrip() if objective == "clm" else text
    return replace(prompt, concept=prompt.concept.strip() or answer, text=text, answer=answer)


Reader = Callable[[File, Reading, "Counter[str]"], Iterator[Prompt]]

PROMPT_FORMATS: dict[str, Reader] = {
    "generics-kb": generics_kb,
    "natural-questions": _natural_questions,
    "pararel": _pararel,
    "jsonl": _jsonl,
}
