"""Model families: where the blocks are, and which module's input is the `ffn` site.

`ffn` is read at one place in every family: the input of the down projection. There it is post-activation, and
for gated MLPs already `act(gate(x)) * up(x)`.

A family that is not listed is described by its user and passed to `load`, or written into a TOML file for `--family`:

>>> XGLM = Family("xglm", ("xglm",), blocks="layers", down="fc2", objective="clm")
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from nwh.warehouse.errors import UsageError

_LM_HEADS: dict[str, tuple[str, ...]] = {
    "mlm": ("ForMaskedLM", "ForPreTraining"),
    "clm": ("ForCausalLM", "LMHeadModel"),
    "seq2seq": ("ForConditionalGeneration", "LMHeadModel"),
    "encoder": (),
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
    answer_blocks: path from the base model to the decoder's list of blocks, which lead to the answers of `seq2seq`
        families; its blocks keep their down projection at the same path.
    shared: for families that run one block at several layers: path from an item of `blocks`, then a group of
        blocks, to the blocks in it.
    pooler: whether the base model has a pooler behind the last block, which is then left out.
    pretraining_head: whether the `ForPreTraining` class has a language-model head.
    positions_after_padding: whether position ids start at `pad_token_id + 1`, which shortens the window.
    whole_rows: whether attributions run the whole model for each row, since a block is given more of a token than its
        hidden state (Gemma 4), wants as many rows or tokens as the model was given, or has, in some versions of
        transformers, an attention or a mask of its own.
    """

    name: str
    model_types: tuple[str, ...]
    blocks: str
    down: str
    objective: str
    stack: str = ""
    answer_blocks: str = ""
    shared: str = ""
    pooler: bool = False
    pretraining_head: bool = True
    positions_after_padding: bool = False
    whole_rows: bool = False

    def __post_init__(self) -> None:
        if self.objective not in _LM_HEADS:
            raise UsageError(f"objective {self.objective!r} of family {self.name} is not one of {', '.join(_LM_HEADS)}")

    def of_answers(self) -> "Family":
        """Return the family whose blocks lead to the answer: of a seq2seq family its decoder's."""
        if self.objective != "seq2seq":
            return self
        if not self.answer_blocks:
            raise UsageError(f"family {self.name} does not say where its decoder's blocks are: set answer_blocks")
        return replace(self, blocks=self.answer_blocks, stack=self.answer_blocks.rpartition(".")[0])

    def stack_of(self, base: nn.Module) -> nn.Module:
        """Return the part of the base model that runs the blocks."""
        return self._at(base, self.stack)

    def blocks_of(self, base: nn.Module) -> list[nn.Module]:
        """Return the block of each layer, 0-based; a block that serves several layers comes several times."""
        items = list(self._at(base, self.blocks).children())
        if not self.shared:
            return items
        n_layers: int = base.config.num_hidden_layers  # type: ignore[union-attr, assignment]
        # ALBERT's own rule (transformers, AlbertTransformer): consecutive layers share a group.
        groups = [items[int(layer / (n_layers / len(items)))] for layer in range(n_layers)]
        return [block for group in groups for block in self._at(group, self.shared).children()]

    def down_of(self, block: nn.Module) -> nn.Module:
        """Return the down projection of a block."""
        return self._at(block, self.down)

    def _at(self, module: nn.Module, path: str) -> nn.Module:
        """Return the module at a path; UsageError says where the path ends and what there is."""
        found: Any = module
        for part in filter(None, path.split(".")):
            try:
                found = found[int(part)] if part.lstrip("-").isdigit() else found.get_submodule(part)
            except (AttributeError, IndexError, TypeError):
                there = ", ".join(name for name, _ in found.named_children()) or "nothing"
                raise UsageError(
                    f"family {self.name} says {path!r}, but a {type(found).__name__} has no {part!r}; it has {there}"
                ) from None
        return found  # type: ignore[no-any-return]


BERT = Family("bert", ("bert",), "encoder.layer", "output.dense", "mlm", pooler=True)
ROBERTA = replace(
    BERT, name="roberta", model_types=("roberta", "xlm-roberta", "camembert"), positions_after_padding=True
)
# ELECTRA's pre-training class is the discriminator: it tells real from replaced tokens and predicts no word.
ELECTRA = replace(BERT, name="electra", model_types=("electra",), pooler=False, pretraining_head=False)
ALBERT = Family(
    "albert", ("albert",), "encoder.albert_layer_groups", "ffn_output", "mlm", shared="albert_layers", pooler=True
)
MODERNBERT = Family("modernbert", ("modernbert",), "layers", "mlp.Wo", "mlm", whole_rows=True)
GPT2 = Family("gpt-2", ("gpt2",), "h", "mlp.c_proj", "clm")
# Blocks that differ in their norms, attention and order, but keep their down projection in one place.
LLAMA = Family(
    "llama",
    (
        *("llama", "mistral", "ministral", "ministral3", "smollm3", "granite", "nemotron", "seed_oss"),
        *("qwen2", "qwen3", "qwen3_5_text", "gemma", "gemma2", "gemma3_text"),
        *("olmo", "olmo2", "olmo3", "phi3", "glm", "glm4", "cohere", "cohere2"),
    ),
    "layers",
    "mlp.down_proj",
    "clm",
)
T5 = Family(
    "t5",
    ("t5", "mt5", "longt5"),
    "encoder.block",
    "layer.-1.DenseReluDense.wo",
    "seq2seq",
    stack="encoder",
    answer_blocks="decoder.block",
)

FAMILIES = (
    BERT,
    Family("distilbert", ("distilbert",), "transformer.layer", "ffn.lin2", "mlm"),
    ROBERTA,
    replace(ROBERTA, name="mpnet", model_types=("mpnet",)),
    replace(BERT, name="deberta", model_types=("deberta", "deberta-v2"), pooler=False),
    ELECTRA,
    ALBERT,
    MODERNBERT,
    GPT2,
    replace(GPT2, name="starcoder", model_types=("gpt_bigcode",), whole_rows=True),
    replace(GPT2, name="gpt-neo", model_types=("gpt_neo",)),
    Family("gpt-j", ("gptj", "codegen"), "h", "mlp.fc_out", "clm"),
    Family("gpt-neox", ("gpt_neox",), "layers", "mlp.dense_4h_to_h", "clm"),
    Family("bloom", ("bloom", "falcon"), "h", "mlp.dense_4h_to_h", "clm"),
    Family("opt", ("opt",), "decoder.layers", "fc2", "clm"),
    LLAMA,
    replace(LLAMA, name="stablelm", model_types=("stablelm",), whole_rows=True),
    replace(LLAMA, name="gemma-4", model_types=("gemma4_text",), whole_rows=True),
    replace(LLAMA, name="phi", model_types=("phi",), down="mlp.fc2"),
    replace(LLAMA, name="starcoder2", model_types=("starcoder2",), down="mlp.c_proj"),
    replace(
        MODERNBERT, name="modernbert-decoder", model_types=("modernbert-decoder",), objective="clm", whole_rows=False
    ),
    T5,
    replace(T5, name="umt5", model_types=("umt5",), whole_rows=True),
    # Its decoder writes the whole sentence again, no answer to a prompt: the encoder alone is read.
    Family("bart", ("bart", "mbart"), "encoder.layers", "fc2", "encoder", stack="encoder"),
)


# What the configuration of a model says that is no dense transformer, and what that means.
_OTHER_KINDS = (
    (
        ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_experts_per_tok"),
        "it is a mixture of experts, whose tokens meet different feed-forward layers",
    ),
    (
        ("state_size", "ssm_state_size", "mamba_d_state", "d_state", "ssm_cfg", "mamba_num_heads", "rnn_width"),
        "it is a state-space model, whose blocks have no feed-forward layer",
    ),
)


def family_of(model_type: str, config: Mapping[str, Any] | None = None) -> Family:
    """Return the family that describes a `config.model_type`; UsageError says why there is none, and the known ones.

    config: the values of `config.json`.
    """
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = ", ".join(family.name for family in FAMILIES)
    for keys, kind in _OTHER_KINDS:
        if any((config or {}).get(key) for key in keys):
            raise UsageError(f"model type {model_type!r} cannot be read: {kind}. nwh knows dense transformers: {known}")
    raise UsageError(
        f"model type {model_type!r} is not of the families nwh knows: {known}. If it is a dense transformer, say where "
        "its blocks are with --family FILE.toml, or load(..., family=Family(...)) from Python"
    )


def family_from(path: Path) -> Family:
    """Return the family that a TOML file describes, whose keys are the fields of `Family`.

    UsageError: no such file, no TOML, keys that are missing, unknown, or of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the family file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"the family file {path} is not TOML: {error}") from None
    return family_of_values(values, f"the family file {path}")


def family_of_values(values: Mapping[str, Any], where: str) -> Family:
    """Return the family that values describe, as `asdict` or a TOML file gives them; UsageError begins with `where`."""
    types = {field.name: type(field.default) for field in fields(Family)}
    needed = [name for name, kind in types.items() if kind is type(MISSING) and name != "model_types"]
    if unknown := sorted(values.keys() - types.keys()):
        raise UsageError(f"{where} has a key {unknown[0]!r}: use {', '.join(types)}")
    if missing := [name for name in needed if name not in values]:
        raise UsageError(f"{where} lacks {missing[0]!r}: a family needs {', '.join(needed)}")
    for name, value in values.items():
        kind = list if name == "model_types" else bool if types[name] is bool else str
        if not isinstance(value, kind) and not (kind is list and isinstance(value, tuple)):
            raise UsageError(f"{where}: {name} = {value!r} is not a {kind.__name__}")
    return Family(**{**values, "model_types": tuple(values.get("model_types", ()))})


def description_of(family: Family) -> str | None:
    """Return a family that its user described as JSON, null for those nwh knows: `checkpoints.family_description`."""
    return None if family in FAMILIES else json.dumps(asdict(family))


def described(description: str | None) -> Family | None:
    """Return the family of a `checkpoints.family_description`; null, for `load` to find it, where nwh knows it."""
    return None if description is None else family_of_values(json.loads(description), "the stored family")


def objective_of(architectures: list[str] | None, family: Family) -> str:
    """Return what a checkpoint's own head predicts (`mlm`, `clm`, `seq2seq`); `encoder` where it has none.

    architectures: `config.architectures`; where a checkpoint does not say (GGUF), the family's objective.
    """
    heads = _LM_HEADS[family.objective]
    if not family.pretraining_head:
        heads = tuple(head for head in heads if head != "ForPreTraining")
    has_head = not architectures or architectures[0].endswith(heads)
    return family.objective if has_head else "encoder"
