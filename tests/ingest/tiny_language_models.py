"""Tiny random models that predict words, with tokenizers of the three kinds, saved as ordinary model folders."""

from __future__ import annotations

from pathlib import Path

import torch

CITIES = ["paris", "rome", "london", "tokyo", "cairo"]
COUNTRIES = ["france", "italy", "england", "japan", "egypt"]
WORDS = ["the", "capital", "of", "is", "a", "in", "we", "see", "old", "big", "city", "where", "what", "lies", "do"]
WORDS += [*CITIES, *COUNTRIES]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_masked(folder: Path, seed: int = 0, cased: bool = False) -> Path:
    """Save a BERT, 2 layers x 16 x 24, window 32: WordPiece, [CLS] … [SEP], lower case unless `cased`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    names = [*SPECIAL, ".", ",", *WORDS, "##s", "##ian", "cities", "##rome", "Rome"]
    tokenizer = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    if not cased:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **named).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(names), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        max_position_embeddings=32, initializer_range=0.5, pad_token_id=0,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def save_causal(folder: Path, seed: int = 0, bos: bool = False, eos: bool = False, positions: int = 64) -> Path:
    """Save a GPT-NeoX, 2 layers x 16 x 24: byte-level BPE that knows WORDS with a blank before them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=["<|end|>", "<|begin|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([f"x {' '.join(WORDS)}"] * 5, trainer)
    around = f"{'<|begin|> ' if bos else ''}$A{' <|end|>' if eos else ''}"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=around, special_tokens=[("<|end|>", 0), ("<|begin|>", 1)]
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", bos_token="<|begin|>").save_pretrained(
        folder
    )
    torch.manual_seed(seed)
    config = GPTNeoXConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=24, max_position_embeddings=positions, initializer_range=0.5,
    )  # fmt: skip
    GPTNeoXForCausalLM(config).save_pretrained(folder)
    return folder


def save_t5(folder: Path, seed: int = 0) -> Path:
    """Save a T5, 2 + 2 layers x 16 x 24: words with `▁` before them, </s> at the end, sentinels."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

    names = ["<pad>", "</s>", "<unk>", "<extra_id_0>", *(f"▁{word}" for word in WORDS)]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>",
        additional_special_tokens=["<extra_id_0>"],
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(names), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_decoder_layers=2, num_heads=2,
        decoder_start_token_id=0, initializer_factor=1.0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder
