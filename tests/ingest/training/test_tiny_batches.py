from collections import Counter

import torch

from nwh.ingest.demo.facts import fact_answers, fact_sentences, fact_words
from nwh.ingest.training.tiny_batches import batches, encode, masking, next_tokens
from nwh.ingest.training.tiny_tokenizers import train_byte_pairs, train_wordpiece

TEXTS = list(fact_sentences())[:300]


def test_masks_hide_answers_or_some_tokens_and_are_labelled():
    tokenizer = train_wordpiece(TEXTS, 300, fact_words(), 16)
    texts = encode(tokenizer, TEXTS * 4, masked=True)
    ids, mask = next(batches(texts, len(texts), tokenizer.pad_token_id))
    torch.manual_seed(0)
    hidden, labels = masking(tokenizer, fact_answers())(ids, mask)
    labelled = labels != -100
    assert torch.equal(labels[labelled], ids[labelled])
    assert torch.equal(hidden[~labelled], ids[~labelled])
    special = torch.isin(ids, torch.tensor(tokenizer.all_special_ids))
    assert not (labelled & special).any()
    answers = torch.isin(ids, torch.tensor([tokenizer.encode(a, add_special_tokens=False)[0] for a in fact_answers()]))
    masked = hidden == tokenizer.mask_token_id
    asked = ((labelled == answers) & (masked == answers)).all(1) & answers.any(1)
    assert 0.77 < asked.float().mean() < 0.85  # a few others are hidden like that by chance
    others = ~asked[:, None] & ~special
    assert 0.12 < (labelled & others).sum() / others.sum() < 0.18
    shares = Counter(
        "masked" if after == tokenizer.mask_token_id else "same" if after == before else "random"
        for before, after in zip(ids[labelled & others].tolist(), hidden[labelled & others].tolist(), strict=True)
    )
    n = sum(shares.values())
    assert 0.75 < shares["masked"] / n < 0.85
    assert 0.06 < shares["same"] / n < 0.14
    assert 0.06 < shares["random"] / n < 0.14


def test_causal_labels_are_the_next_tokens_and_texts_end():
    tokenizer = train_byte_pairs(TEXTS, 300, [], 20)
    texts = encode(tokenizer, TEXTS[:20], masked=False)
    assert all(ids[-1] == tokenizer.eos_token_id for ids in texts)
    assert min(map(len, texts)) < max(map(len, texts)) == 20  # of both: shorter than the window, and cut to it
    ids, mask = next(batches(texts, 20, tokenizer.pad_token_id))
    _, labels = next_tokens(ids, mask)
    for row, kept, label in zip(ids.tolist(), mask.tolist(), labels.tolist(), strict=True):
        text = [token for token, keep in zip(row, kept, strict=True) if keep]
        assert label == text[1:] + [-100] * (len(row) - len(text) + 1)


def test_an_epoch_gives_every_text_once():
    texts = [torch.full((1 + i % 7,), i) for i in range(50)]
    stream = batches(texts, 8, pad=-1)
    for _ in range(2):
        seen = Counter()
        while sum(seen.values()) < 50:
            ids, mask = next(stream)
            seen.update(ids[:, 0].tolist())
            assert torch.equal(mask.sum(1), 1 + ids[:, 0] % 7)
            assert torch.equal(ids == -1, mask == 0)
        assert seen == dict.fromkeys(range(50), 1)
