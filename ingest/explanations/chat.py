"""A chat model as explainer and as judge: what it is asked, and what is made of its answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nwh.ingest.explanations.halves import Halves, Shown
from nwh.warehouse.errors import ModelError

if TYPE_CHECKING:  # the one loads torch
    from nwh.ingest.explanations.local_chat import LocalChat
    from nwh.ingest.explanations.server_chat import ServerChat

    Chat = LocalChat | ServerChat

EXPLAIN = """You say in a few words what makes a neuron of a language model active.

These sentences activate the neuron most:
{sentences}

These do not activate it:
{others}

In one short phrase: what do the first have in common that the others do not have? Answer with the phrase alone."""
JUDGE = """Description: {explanation}

Sentence: {sentence}

Does the description fit the sentence? Answer Yes or No."""
_LONGEST_SENTENCE, _LONGEST_ANSWER = 300, 300  # characters
_LABEL = re.compile(r"^\W*(?:explanation|answer|phrase|description)\W*:\s*", re.IGNORECASE)


class ChatExplainer:
    """Asks a chat model what the first half of a neuron's top sentences have in common."""

    method = "chat"
    prompt: str | None = EXPLAIN

    def __init__(self, chat: Chat, halves: Halves) -> None:
        self._chat, self.halves, self.name = chat, halves, chat.name
        self.about = {**chat.about, "prompt": EXPLAIN}
        """what decides its explanations beside the sentences"""

    def explain(self, shown: Sequence[Shown]) -> list[str]:
        """Return the phrase that the model answers for each neuron; empty where it answers nothing."""
        texts = self.halves.texts(i for one in shown for i in (*one.examples, *one.contrast))
        return [phrase(answer) for answer in self._chat.answers([self._asked(one, texts) for one in shown])]

    def _asked(self, one: Shown, texts: dict[int, str]) -> str:
        """Return the prompt with as many of the sentences as there is room for."""
        n = len(one.examples)
        while True:
            others = _listed(one.contrast[: (n + 1) // 2], texts)
            prompt = _filled(EXPLAIN, sentences=_listed(one.examples[:n], texts), others=others)
            if self._chat.fits(prompt):
                return prompt
            if n == 1:
                raise ModelError(f"two sentences of neuron {one.layer}/{one.neuron} are too long for {self._chat.name}")
            n = max(1, n // 2)


class ChatJudge:
    """Asks a chat model whether an explanation fits a sentence."""

    def __init__(self, chat: Chat, halves: Halves) -> None:
        self._chat, self.halves, self.name = chat, halves, chat.name
        self.about = {**chat.about, "judge": "chat", "judge_prompt": JUDGE}
        """what decides its verdicts"""

    def judge(self, pairs: Sequence[tuple[str, int]]) -> tuple[list[float], list[int]]:
        """Return scores and verdicts of (explanation, sentence_id): the probability of Yes, and whether it is > 0.5."""
        texts = self.halves.texts(sentence for _, sentence in pairs)
        scores = self._chat.yes(
            [
                _filled(JUDGE, explanation=explanation, sentence=texts[sentence][:_LONGEST_SENTENCE])
                for explanation, sentence in pairs
            ]
        )
        return scores, [int(score > 0.5) for score in scores]


def phrase(answer: str) -> str:
    """Return the first line of an answer without a label and quotes around it, at most 300 characters.

    >>> phrase('\\nAnswer: "kings and queens"\\nThey are royal.')
    'kings and queens'
    """
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    return _LABEL.sub("", lines[0]).strip().strip("\"'“”*").strip()[:_LONGEST_ANSWER] if lines else ""


def _filled(prompt: str, **texts: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: texts[found[1]], prompt)


def _listed(sentence_ids: Sequence[int], texts: dict[int, str]) -> str:
    return "\n".join(f"{i}. {texts[each][:_LONGEST_SENTENCE]}" for i, each in enumerate(sentence_ids, 1))
