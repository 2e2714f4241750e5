"""Model families: where the blocks are, and which module's input is the `ffn` site.

`ffn` is read at one place in every family: the input of the down projection. There it is post-activation, and
for gated MLPs already `act(gate(x)) * up(x)`.

A family that is not listed is described by its user and passed to `load`:

>>> BLOOM = Family("bloom", ("bloom",), blocks="h", down="mlp.dense_4h_to_h", objective="clm")
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from torch import nn

from nwh.warehouse.errors import UsageError

_LM_HEADS: dict[str, tuple[str, ...]] = {
    "mlm": ("ForMaskedLM", "ForPreTraining"),
    "clm": ("ForCausalLM", "LMHeadModel"),
    "seq2seq": ("ForConditionalGeneration", "LMHeadModel"),
}


@dataclass(frozen=True)
class Family:
    """How to find the neurons of one architecture; paths are dotted attributes (`layer.-1`: the last one).

    name: as stored in `checkpoints.family`.
    model_types: the values of `config.model_type` it describes.
    blocks: path from the base model to its list of transformer blocks.
    down: path from a block to the down projection of its feed-forward layer; its input is the `ffn` site.
    objective: what the published checkpoints were trained for (`mlm`, `clm`, `seq2seq`).
    stack: path from the base model to the part that runs; empty for all of it.
    shared: for families that run one block at several layers: path from an item of `blocks`, then a group of
        blocks, to the blocks in it.
    pooler: whether the base model has a pooler behind the last block, which is then left out.
    pretraining_head: whether the `ForPreTraining` class has a language-model head.
    positions_after_padding: whether position ids start at `pad_token_id + 1`, which shortens the window.
    """

    name: str
    model_types: tuple[str, ...]
    blocks: str
    down: str
    objective: str
    stack: str = ""
    shared: str = ""
    pooler: bool = False
    pretraining_head: bool = True
    positions_after_padding: bool = False

    def stack_of(self, base: nn.Module) -> nn.Module:
        """Return the part of the base model that runs the blocks."""
        return _at(base, self.stack)

    def blocks_of(self, base: nn.Module) -> list[nn.Module]:
        """Return the block of each layer, 0-based; a block that serves several layers comes several times."""
        items = list(_at(base, self.blocks).children())
        if not self.shared:
            return items
        n_layers: int = base.config.num_hidden_layers  # type: ignore[union-attr, assignment]
        # ALBERT's own rule (transformers, AlbertTransformer): consecutive layers share a group.
        groups = [items[int(layer / (n_layers / len(items)))] for layer in range(n_layers)]
        return [block for group in groups for block in _at(group, self.shared).children()]

    def down_of(self, block: nn.Module) -> nn.Module:
        """Return the down projection of a block."""
        return _at(block, self.down)


def _at(module: nn.Module, path: str) -> nn.Module:
    def step(parent: Any, part: str) -> Any:
        return parent[int(part)] if part.lstrip("-").isdigit() else getattr(parent, part)

    return reduce(step, filter(None, path.split(".")), module)


BERT = Family("bert", ("bert",), "encoder.layer", "output.dense", "mlm", pooler=True)
ROBERTA = replace(BERT, name="roberta", model_types=("roberta",), positions_after_padding=True)
# ELECTRA's pre-training class is the discriminator: it tells real from replaced tokens and predicts no word.
ELECTRA = replace(BERT, name="electra", model_types=("electra",), pooler=False, pretraining_head=False)
DISTILBERT = Family("distilbert", ("distilbert",), "transformer.layer", "ffn.lin2", "mlm")
ALBERT = Family(
    "albert",
    ("albert",),
    "encoder.albert_layer_groups",
    "ffn_output",
    "mlm",
    shared="albert_layers",
    pooler=True,
)
GPT2 = Family("gpt-2", ("gpt2",), "h", "mlp.c_proj", "clm")
GPT_NEO = replace(GPT2, name="gpt-neo", model_types=("gpt_neo",))
GPT_NEOX = Family("gpt-neox", ("gpt_neox",), "layers", "mlp.dense_4h_to_h", "clm")
OPT = Family("opt", ("opt",), "decoder.layers", "fc2", "clm")
LLAMA = Family(
    "llama",
    ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"),
    "layers",
    "mlp.down_proj",
    "clm",
)
T5 = Family("t5", ("t5",), "encoder.block", "layer.-1.DenseReluDense.wo", "seq2seq", stack="encoder")
# The other half of the same model. Not in FAMILIES: activations of sentences are the encoder's.
T5_DECODER = replace(T5, name="t5-decoder", model_types=(), blocks="decoder.block", stack="decoder")

FAMILIES = (BERT, DISTILBERT, ROBERTA, ELECTRA, ALBERT, GPT2, GPT_NEO, GPT_NEOX, OPT, LLAMA, T5)


def family_of(model_type: str, families: Iterable[Family] = FAMILIES) -> Family:
    """Return the family that describes a `config.model_type`; UsageError names the known ones."""
    for family in families:
        if model_type in family.model_types:
            return family
    known = "; ".join(f"{family.name} ({', '.join(family.model_types)})" for family in families)
    raise UsageError(
        f"model type {model_type!r} is not one of the families nwh knows: {known}. "
        "From Python, pass load(..., family=Family(...)) that says where its blocks are"
    )


def objective_of(architectures: list[str] | None, family: Family) -> str:
    """Return what a checkpoint's own head predicts (`mlm`, `clm`, `seq2seq`); `encoder` where it has none.

    architectures: `config.architectures`; where a checkpoint does not say (GGUF), the family's objective.
    """
    heads = _LM_HEADS[family.objective]
    if not family.pretraining_head:
        heads = tuple(head for head in heads if head != "ForPreTraining")
    has_head = not architectures or architectures[0].endswith(heads)
    return family.objective if has_head else "encoder"
