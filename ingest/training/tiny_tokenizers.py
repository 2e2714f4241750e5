"""Tokenizers trained on a text, of the kinds that BERT and Pythia use, with chosen words kept whole."""

import json
from collections.abc import Sequence
from typing import Any

from nwh.warehouse.errors import UsageError


def train_wordpiece(texts: Sequence[str], vocab_size: int, words: Sequence[str], window: int) -> Any:
    """Return an uncased WordPiece tokenizer as BERT's, each of `words` being one token.

    vocab_size: entries learnt from the texts, special tokens included; words that are none yet come on top.
    window: most tokens of a sequence. UsageError for a word that BERT's rules cut before any vocabulary does.
    """
    from transformers import BertTokenizer

    empty = BertTokenizer()
    rules = empty.backend_tokenizer
    letters = {
        letter
        for letter in rules.normalizer.normalize_str(" ".join(sorted(set().union(*texts))))
        if len(rules.pre_tokenizer.pre_tokenize_str(f"a{letter}")) == 1 and not letter.isspace()
    }
    # Left to itself the trainer numbers these pieces in the order of a hash map, which decides ties between
    # merges: each run would give another vocabulary (huggingface/tokenizers#1794).
    pieces = [f"##{letter}" for letter in sorted(letters)]
    learnt = empty.train_new_from_iterator([texts], vocab_size, new_special_tokens=pieces, show_progress=False)  # type: ignore[no-untyped-call]
    vocabulary = _by_id(learnt)
    for word in words:
        vocabulary.setdefault(rules.normalizer.normalize_str(word), len(vocabulary))
    tokenizer = BertTokenizer(vocab=vocabulary, model_max_length=window)
    _check_whole(tokenizer, words)
    return tokenizer


def train_byte_pairs(texts: Sequence[str], vocab_size: int, words: Sequence[str], window: int) -> Any:
    """Return a byte-level BPE tokenizer as Pythia's, each of `words` being one token after a blank.

    Arguments as for `train_wordpiece`; the merges that make words whole follow those learnt.
    """
    from transformers import GPTNeoXTokenizer

    learnt = GPTNeoXTokenizer().train_new_from_iterator([texts], vocab_size, show_progress=False)  # type: ignore[no-untyped-call]
    vocabulary = _by_id(learnt)
    merges: Any = [tuple(merge) for merge in json.loads(learnt.backend_tokenizer.to_str())["model"]["merges"]]
    cut = learnt.backend_tokenizer.pre_tokenizer.pre_tokenize_str
    # No merge joins what is cut before: such a word would never get shorter.
    _check_whole(learnt, [word for word in words if len(cut(f" {word}")) > 1])
    while True:
        tokenizer = GPTNeoXTokenizer(vocab=vocabulary, merges=merges, model_max_length=window)
        # One more merge for every word still in pieces. Later merges cannot undo earlier ones, so each round
        # leaves every such word shorter.
        pairs = {tuple(pieces[:2]) for word in words if len(pieces := tokenizer.tokenize(f" {word}")) > 1}
        if not pairs:
            return tokenizer
        for first, second in sorted(pairs):
            vocabulary.setdefault(first + second, len(vocabulary))
            merges.append((first, second))


def _by_id(tokenizer: Any) -> dict[str, int]:
    return dict(sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]))


def _check_whole(tokenizer: Any, words: Sequence[str]) -> None:
    for word in words:
        if len(pieces := tokenizer.tokenize(f" {word}")) != 1:
            raise UsageError(f"{word!r} cannot be one token ({' '.join(pieces)}): give words of letters alone")
