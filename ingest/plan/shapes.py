"""Models of real shapes with random weights: what a machine can do, without fetching anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from nwh.ingest.models import Checkpoint, LoadedModel, family_of
from nwh.ingest.models.devices import pick_device, pick_dtype


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
PYTHIA_70M = Shape("Pythia-70M", "gpt_neox", 6, 512, 2048, 8, 50_304, 2048)
PYTHIA_160M = Shape("Pythia-160M", "gpt_neox", 12, 768, 3072, 12, 50_304, 2048)
PYTHIA_410M = Shape("Pythia-410M", "gpt_neox", 24, 1024, 4096, 16, 50_304, 2048)


def model_of(
    shape: Shape, device: str = "auto", dtype: str = "float32", *, head: bool = False, empty: bool = False
) -> LoadedModel:
    """Return a random model of a shape; the same weights each time, on every device.

    head: with the language-model head. empty: without weights, for those who ask how large it is.
    Its tokenizer knows the words w0, w1, …, one token each.
    """
    from transformers import BertConfig, BertForMaskedLM, BertModel, GPTNeoXConfig, GPTNeoXForCausalLM, GPTNeoXModel

    common: dict[str, Any] = {
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.d_model,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.d_ffn,
        "max_position_embeddings": shape.window,
        "initializer_range": 0.05,
    }
    place, kind = pick_device(device), pick_dtype(dtype)
    torch.manual_seed(0)
    with torch.device("meta" if empty else "cpu"):
        if shape.family == "bert":
            config = BertConfig(**common)
            module: Any = BertForMaskedLM(config) if head else BertModel(config, add_pooling_layer=False)
        else:
            module = (GPTNeoXForCausalLM if head else GPTNeoXModel)(GPTNeoXConfig(**common))
    module = module.to("meta" if empty else place, kind).requires_grad_(False).eval()
    label = f"{shape.name.replace(' ', '-').lower()}-{dtype}"
    family, parameters = family_of(shape.family), sum(parameter.numel() for parameter in module.parameters())
    sizes = (shape.layers, shape.d_model, shape.d_ffn, shape.vocabulary, parameters)
    described = (label, "main", label, None, None, "random", None, shape.family, None, family.objective)
    row = Checkpoint(*described, *sizes, weights_sha256="random")
    return LoadedModel(module, _tokenizer(shape), family, place, kind, shape.window, row, tf32=dtype == "tf32")


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
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)  # type: ignore[no-untyped-call]
