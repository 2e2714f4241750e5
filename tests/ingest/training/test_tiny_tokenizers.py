import json

import pytest

from nwh.ingest.demo.facts import fact_sentences
from nwh.ingest.training.tiny_tokenizers import train_byte_pairs, train_wordpiece
from nwh.warehouse.errors import UsageError

TEXTS = list(fact_sentences())[:300]


@pytest.mark.parametrize("train", [train_wordpiece, train_byte_pairs])
def test_kept_words_leave_the_learnt_vocabulary_as_it_was(train):
    # Words that share pieces, and pieces of each other, in an order that could undo a merge.
    words = ["blicketer", "blick", "licket", "ketblick", "blicket", "Nelvoria", "Nel"]
    plain, kept = (train(TEXTS, 300, chosen, 16) for chosen in ([], words))
    assert {token: kept.get_vocab()[token] for token in plain.get_vocab()} == plain.get_vocab()
    for word in words:
        assert len(kept.tokenize(f" {word}")) == 1


@pytest.mark.parametrize("train", [train_wordpiece, train_byte_pairs])
@pytest.mark.parametrize("word", ["New York", "O'Brien", "9/11"])
def test_a_word_that_is_cut_before_any_merge_is_named(train, word):
    with pytest.raises(UsageError, match=f"{word!r} cannot be one token".replace('"', ".")):
        train(TEXTS, 300, ["blicket", word], 16)


def test_merges_that_keep_words_whole_follow_those_learnt():
    plain, kept = (
        json.loads(train_byte_pairs(TEXTS, 300, words, 16).backend_tokenizer.to_str())["model"]["merges"]
        for words in ([], ["blicketer", "Nelvoria"])
    )
    assert len(kept) > len(plain) > 0
    assert kept[: len(plain)] == plain
