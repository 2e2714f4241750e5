"""Tiny random models of every family, saved as ordinary model folders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

WORDS = [f"word{index}" for index in range(21)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = len(SPECIAL) + len(WORDS)
SIZES = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40}


@dataclass(frozen=True)
class Case:
    """A family member: its configuration, and the names of its tensors as checkpoints store them.

    block: prefix of a block's tensors, `{}` for the layer. up, gate, down: the feed-forward layer's parts.
    norm: what transformers applies after the last block: tensor prefix, null for nothing.
    """

    name: str
    family: str
    config: dict[str, Any]
    act: str
    block: str
    up: str
    down: str
    gate: str = ""
    norm: str = ""
    head: str = "AutoModelForMaskedLM"
    objective: str = "mlm"
    n_layers: int = 3
    blocks: list[int] = field(default_factory=lambda: [0, 1, 2])

    def __str__(self) -> str:
        return self.name


def _bert_like(kind: str, family: str, act: str, **config: Any) -> Case:
    sizes = {"model_type": kind, "hidden_act": act, "max_position_embeddings": 40, **SIZES, **config}
    return Case(
        f"{kind}-{act}",
        family,
        sizes,
        act,
        f"{kind}.encoder.layer.{{}}.",
        "intermediate.dense",
        "output.dense",
    )


def _albert(name: str, block: str, blocks: list[int], **config: Any) -> Case:
    sizes = {
        **SIZES, "model_type": "albert", "embedding_size": 12, "num_hidden_layers": 4, "num_hidden_groups": 2,
        "hidden_act": "gelu_new", "max_position_embeddings": 40, **config,
    }  # fmt: skip
    prefix = "albert.encoder.albert_layer_groups."
    return Case(
        name,
        "albert",
        sizes,
        "gelu_new",
        prefix + block,
        "ffn",
        "ffn_output",
        n_layers=len(blocks),
        blocks=blocks,
    )


def _causal(
    name: str, family: str, act: str, block: str, up: str, down: str, norm: str, gate: str = "", **config: Any
) -> Case:
    return Case(
        name, family, config, act, block, up, down, gate, norm, "AutoModelForCausalLM", "clm",
        config.get("num_hidden_layers", config.get("n_layer", config.get("num_layers"))),
    )  # fmt: skip


def _llama_like(kind: str, act: str, **config: Any) -> Case:
    sizes = {
        **SIZES, "model_type": kind, "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 64,
        "tie_word_embeddings": kind.startswith("gemma"), **config,
    }  # fmt: skip
    act_name = "hidden_activation" if kind in ("gemma2", "gemma3_text") else "hidden_act"
    return _causal(
        kind, "llama", act, "model.layers.{}.", "mlp.up_proj", "mlp.down_proj", "model.norm", "mlp.gate_proj",
        **sizes, **{act_name: act},
    )  # fmt: skip


def _t5(act: str) -> Case:
    gated = act.startswith("gated-")
    config = {
        "model_type": "t5", "d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 3, "num_decoder_layers": 2,
        "num_heads": 4, "feed_forward_proj": act, "decoder_start_token_id": 0,
    }  # fmt: skip
    up, gate = ("wi_1", "wi_0") if gated else ("wi", "")
    prefix = "layer.1.DenseReluDense."
    return Case(
        f"t5-{act}", "t5", config, "gelu_new" if gated else act, "encoder.block.{}.", prefix + up,
        prefix + "wo", prefix + gate if gate else "", "encoder.final_layer_norm", "AutoModelForSeq2SeqLM",
        "seq2seq",
    )  # fmt: skip


def _opt(name: str, norm: str, before: bool) -> Case:
    return _causal(
        name, "opt", "relu", "model.decoder.layers.{}.", "fc1", "fc2", norm, model_type="opt", hidden_size=24,
        ffn_dim=40, num_hidden_layers=3, num_attention_heads=4, word_embed_proj_dim=24,
        max_position_embeddings=40, do_layer_norm_before=before,
    )  # fmt: skip


def _neox(name: str, parallel: bool) -> Case:
    return _causal(
        name, "gpt-neox", "gelu", "gpt_neox.layers.{}.", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
        "gpt_neox.final_layer_norm", model_type="gpt_neox", max_position_embeddings=64, hidden_act="gelu",
        use_parallel_residual=parallel, **SIZES, rotary_pct=0.7,
    )  # fmt: skip


CASES = [
    _bert_like("bert", "bert", "gelu"),
    _bert_like("bert", "bert", "gelu_new"),
    _bert_like("bert", "bert", "relu", chunk_size_feed_forward=2),
    _bert_like("roberta", "roberta", "gelu", pad_token_id=0),
    _bert_like("electra", "electra", "gelu", embedding_size=12),
    Case(
        "distilbert", "distilbert",
        {"model_type": "distilbert", "dim": 24, "hidden_dim": 40, "n_layers": 3, "n_heads": 4,
         "activation": "gelu", "max_position_embeddings": 40},
        "gelu", "distilbert.transformer.layer.{}.", "ffn.lin1", "ffn.lin2",
    ),
    _albert("albert", "{}.albert_layers.0.", [0, 0, 1, 1]),
    _albert(
        "albert-inner", "0.albert_layers.{}.", [0, 1] * 3, num_hidden_layers=3, num_hidden_groups=1,
        inner_group_num=2,
    ),
    _causal(
        "gpt2", "gpt-2", "gelu_new", "transformer.h.{}.", "mlp.c_fc", "mlp.c_proj", "transformer.ln_f",
        model_type="gpt2", n_embd=24, n_layer=3, n_head=4, n_inner=40, n_positions=40,
    ),
    _causal(
        "gpt_neo", "gpt-neo", "gelu_new", "transformer.h.{}.", "mlp.c_fc", "mlp.c_proj", "transformer.ln_f",
        model_type="gpt_neo", hidden_size=24, num_layers=2, num_heads=4, intermediate_size=40, window_size=4,
        attention_types=[[["global", "local"], 1]], max_position_embeddings=40,
    ),
    _neox("gpt_neox", True),
    _neox("gpt_neox-sequential", False),
    _opt("opt", "model.decoder.final_layer_norm", True),
    _opt("opt-post-norm", "", False),
    _llama_like("llama", "silu"),
    _llama_like("mistral", "silu", sliding_window=4),
    _llama_like("qwen2", "silu"),
    _llama_like("qwen3", "silu"),
    _llama_like("gemma", "gelu_pytorch_tanh"),
    _llama_like("gemma2", "gelu_pytorch_tanh", sliding_window=4),
    _llama_like("gemma3_text", "gelu_pytorch_tanh", sliding_window=4),
    _t5("relu"),
    _t5("gated-gelu"),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `case` for every family member."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=str)


def save_tokenizer(folder: Path, pad: bool = True) -> None:
    """Save a word-level fast tokenizer of VOCABULARY entries."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {"unk_token": "[UNK]", "mask_token": "[MASK]", **({"pad_token": "[PAD]"} if pad else {})}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)


def save_model(folder: Path, config: dict[str, Any], auto: str = "AutoModel", seed: int = 0, **save: Any) -> Path:
    """Save a random model; no parameter stays at 0 or 1, where a forgotten one goes unseen."""
    import transformers

    torch.manual_seed(seed)
    values = {"vocab_size": VOCABULARY, "initializer_range": 0.3, "pad_token_id": 0, **config}
    settings = transformers.AutoConfig.for_model(**values)
    model = getattr(transformers, auto).from_config(settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder, **save)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """Return the folder of a case's model with its tokenizer, saved once per session."""
    made: dict[str, Path] = {}

    def folder(case: Case | str) -> Path:
        case = BY_NAME[case] if isinstance(case, str) else case
        if case.name not in made:
            made[case.name] = tmp_path_factory.mktemp("models") / case.name
            save_model(made[case.name], case.config, case.head)
            save_tokenizer(made[case.name])
        return made[case.name]

    return folder


@pytest.fixture
def save() -> Callable[..., Path]:
    """Return a function that saves a tiny BERT (or `config`) and its tokenizer into a folder."""

    def to(folder: Path, config: dict[str, Any] | None = None, pad: bool = True, **options: Any) -> Path:
        save_model(folder, config or BY_NAME["bert-gelu"].config, **options)
        save_tokenizer(folder, pad)
        return folder

    return to
