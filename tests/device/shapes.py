"""Models of real shapes with random weights, and made-up text: nothing has to be fetched."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch

from nwh.ingest.models import Checkpoint, LoadedModel, family_of

MEAN_TOKENS = 25


@dataclass(frozen=True)
class Shape:
    """An architecture of transformers with the numbers of its configuration."""

    name: str
    family: str
    layers: int
    d_model: int
    d_ffn: int
    heads: int
    vocabulary: int
    window: int


BERT_BASE = Shape("BERT base", "bert", 12, 768, 3072, 12, 30_522, 512)
PYTHIA_410M = Shape("Pythia-410M", "gpt_neox", 24, 1024, 4096, 16, 50_304, 2048)
TINY_BERT = Shape("tiny BERT", "bert", 3, 32, 64, 2, 500, 64)
TINY_PYTHIA = Shape("tiny Pythia", "gpt_neox", 2, 32, 64, 2, 500, 64)


def model_of(shape: Shape, device: str, dtype: str) -> LoadedModel:
    """Return a random model of a shape; the same weights each time, on every device."""
    from transformers import BertConfig, BertModel, GPTNeoXConfig, GPTNeoXModel

    common: dict[str, Any] = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.d_model,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.d_ffn,
        "max_position_embeddings": shape.window,
        "initializer_range": 0.05,
    }
    torch.manual_seed(0)
    if shape.family == "bert":
        module = BertModel(BertConfig(**common), add_pooling_layer=False)
    else:
        module = GPTNeoXModel(GPTNeoXConfig(**common))
    kinds = {"float32": torch.float32, "tf32": torch.float32, "bfloat16": torch.bfloat16}
    module = module.to(device, kinds[dtype]).requires_grad_(False).eval()
    label = f"{shape.name.replace(' ', '-').lower()}-{dtype}"
    parameters = sum(parameter.numel() for parameter in module.parameters())
    sizes = (shape.layers, shape.d_model, shape.d_ffn, shape.vocabulary, parameters)
    row = Checkpoint(
        label, "main", label, None, None, "random", None, shape.family, None, "mlm", *sizes, weights_sha256="random"
    )
    family, tokenizer = family_of(shape.family), _tokenizer(shape)
    place = (torch.device(device), kinds[dtype], shape.window)
    return LoadedModel(module, tokenizer, family, *place, row, tf32=dtype == "tf32")


def sentences(shape: Shape, n: int) -> list[str]:
    """Return made-up sentences of about MEAN_TOKENS tokens, special ones included, 4 x as many at most."""
    draw = random.Random(0)
    made = []
    for _ in range(n):
        length = min(4 * MEAN_TOKENS, shape.window - 2, 3 + int(draw.expovariate(1 / (MEAN_TOKENS - 5))))
        made.append(" ".join(f"w{int((shape.vocabulary - 10) * draw.random() ** 3)}" for _ in range(length)))
    return made


def _tokenizer(shape: Shape) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = [*special, *(f"w{i}" for i in range(shape.vocabulary - len(special)))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
