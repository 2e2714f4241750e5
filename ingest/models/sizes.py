"""How large a model is: neurons, dimensions, parameters."""

from typing import Any

import torch
from torch import nn

from nwh.ingest.models.families import Family
from nwh.ingest.models.references import Source
from nwh.warehouse.errors import ModelError, UsageError


def neurons(source: Source, family: Family, base: nn.Module) -> tuple[int, int]:
    """Return (d_ffn, d_model) of all blocks; ModelError where they are not one dense layer of one width each."""
    blocks = family.blocks_of(base)
    if any(name.rpartition(".")[2] == "experts" for block in blocks for name, _ in block.named_modules()):
        raise ModelError(
            f"the blocks of {source} are mixtures of experts: tokens meet different feed-forward layers, and nwh reads "
            "the neurons that all tokens meet; name a dense model"
        )
    widths = {_widths(family, family.down_of(block)) for block in blocks}
    if len(widths) != 1:
        sizes = " and ".join(f"{size:,}" for size in sorted({d_ffn for d_ffn, _ in widths})) or "no"
        raise ModelError(
            f"the feed-forward layers of {source} have {sizes} neurons, some more than others: nwh keeps models whose "
            "layers all have as many"
        )
    return widths.pop()


def _widths(family: Family, down: Any) -> tuple[int, int]:
    """Return (d_ffn, d_model) of a down projection."""
    if hasattr(down, "in_features"):
        return down.in_features, down.out_features
    weight = getattr(down, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.dim() != 2:
        raise UsageError(f"family {family.name} says {family.down!r}, but a {type(down).__name__} projects nothing")
    return weight.shape[0], weight.shape[1]  # GPT-2's Conv1D keeps its weight as [in, out]


def n_parameters(module: Any) -> int:
    """Return the number of a model's parameters, those of a head of its own left out; tied ones count once."""
    head = module.get_output_embeddings()
    tied = {id(parameter) for parameter in module.get_input_embeddings().parameters()}
    own = {id(parameter) for parameter in head.parameters()} - tied if head else set()
    return sum(p.numel() for p in module.base_model.parameters() if id(p) not in own)
