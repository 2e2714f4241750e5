"""Models and prompts that the benchmarks of knowledge attribution and interventions share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.models import load
from nwh.ingest.models.loading import LoadedModel

CAUSAL = {"model_type": "gpt_neox", "vocab_size": 50_304, "max_position_embeddings": 128, "rotary_pct": 0.25}
MASKED = {"model_type": "bert", "vocab_size": 30_522, "max_position_embeddings": 128}
SIZES = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
HEADS = {"gpt_neox": "AutoModelForCausalLM", "bert": "AutoModelForMaskedLM"}
TOKENS = 16


def random_model(config: dict[str, Any]) -> LoadedModel:
    """Return a model of Pythia 160M's or BERT base's shape with random weights."""
    import transformers
    from tokenizers import Tokenizer, models

    torch.manual_seed(0)
    settings = transformers.AutoConfig.for_model(**config, **SIZES)
    with tempfile.TemporaryDirectory() as folder:
        getattr(transformers, HEADS[config["model_type"]]).from_config(settings).save_pretrained(folder)
        words = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
        transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[UNK]").save_pretrained(folder)
        return load(str(Path(folder)), head=True, device="cpu")


def random_prompts(model: LoadedModel, n: int) -> list[PromptInput]:
    """Return prompts of random tokens, the answer being what the model finds most probable."""
    ids = torch.randint(5, model.checkpoint.vocab_size, (n, TOKENS), generator=torch.Generator().manual_seed(1))
    position = TOKENS // 2 if model.family.objective == "mlm" else TOKENS - 1
    with torch.inference_mode():
        answers = model.module(input_ids=ids).logits[:, position].argmax(1).tolist()
    return [
        PromptInput(i, "concept", tuple(row), position, (answer,))
        for i, (row, answer) in enumerate(zip(ids.tolist(), answers, strict=True))
    ]
