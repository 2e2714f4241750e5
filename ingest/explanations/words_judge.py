"""The judge that needs no model: how much of an explanation's words a sentence has."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from nwh.ingest.explanations.halves import Halves


class WordsJudge:
    """Scores a sentence by the words of the explanation that it has, each weighted by how rare it is.

    The weight of a word is log(n / sentences with it), over all n sentences of the scope; the score is the weight of
    the words that both have over the weight of all known words of the explanation. A sentence fits where its score is
    above that of the average sentence. Which sentences are the neuron's has no part in any of this.
    """

    name = "words"

    def __init__(self, halves: Halves) -> None:
        self.halves = halves
        self.about = {"judge": "words"}

    def judge(self, pairs: Sequence[tuple[str, int]]) -> tuple[list[float], list[int]]:
        """Return scores and verdicts of (explanation, sentence_id)."""
        having, share, weight = self._counted
        explanations = list(dict.fromkeys(explanation for explanation, _ in pairs))
        place = {explanation: i for i, explanation in enumerate(explanations)}
        words = self._counter.transform(explanations)  # [explanations, words]
        whole = words @ weight
        average = words @ (share * weight)
        of_pair = np.array([place[explanation] for explanation, _ in pairs])
        sentences = np.searchsorted(self.halves.ids, [sentence for _, sentence in pairs])
        common = having[sentences].multiply(words[of_pair]) @ weight
        scores = common / np.maximum(whole[of_pair], 1e-300)
        return scores.tolist(), (common > average[of_pair]).astype(int).tolist()

    @cached_property
    def _counter(self) -> Any:
        from sklearn.feature_extraction.text import CountVectorizer

        return CountVectorizer(binary=True, dtype=np.float64)

    @cached_property
    def _counted(self) -> tuple[Any, Any, Any]:
        """Which words each sentence has, [sentences, words], each word's share of sentences, and its weight."""
        having = self._counter.fit_transform(self.halves.all_texts).tocsr()
        share = np.asarray(having.mean(axis=0)).ravel()
        return having, share, -np.log(share)
