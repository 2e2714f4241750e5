"""Tiny random models of every family, saved as ordinary model folders."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
    fused: whether gate and up projection are one tensor, the gate first.
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
    fused: bool = False
    d_ffn: int = 40

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
    act_name = "hidden_activation" if kind in ("gemma2", "gemma3_text", "gemma4_text") else "hidden_act"
    family = "stablelm" if kind == "stablelm" else "llama"
    return _causal(
        kind, family, act, "model.layers.{}.", "mlp.up_proj", "mlp.down_proj", "model.norm", "mlp.gate_proj",
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


_CAUSAL = {**SIZES, "num_key_value_heads": 2, "max_position_embeddings": 64}


def _fused(kind: str, **config: Any) -> Case:
    """Return a case whose gate and up projection are one tensor."""
    case = _llama_like(kind, "silu", **config)
    return replace(case, up="mlp.gate_up_proj", gate="mlp.gate_up_proj", fused=True)


def _plain(kind: str, act: str, up: str = "mlp.up_proj", down: str = "mlp.down_proj", **config: Any) -> Case:
    """Return a case of the Llama family whose feed-forward layer has no gate."""
    norm = "model.final_layernorm" if kind == "phi" else "model.norm"
    family = kind if kind in ("phi", "starcoder2") else "llama"
    return _causal(
        kind, family, act, "model.layers.{}.", up, down, norm, model_type=kind, hidden_act=act, **_CAUSAL, **config
    )


def _modernbert(kind: str, **config: Any) -> Case:
    sizes = {
        **SIZES, "model_type": kind, "hidden_activation": "gelu", "max_position_embeddings": 40,
        "global_attn_every_n_layers": 2, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3,
        **config,
    }  # fmt: skip
    case = Case(
        kind, kind, sizes, "gelu", "model.layers.{}.", "mlp.Wi", "mlp.Wo", "mlp.Wi", "model.final_norm", fused=True
    )
    if kind == "modernbert":
        return case
    return replace(case, head="AutoModelForCausalLM", objective="clm")


def _gptj(kind: str) -> Case:
    return _causal(
        kind, "gpt-j", "gelu_new", "transformer.h.{}.", "mlp.fc_in", "mlp.fc_out", "transformer.ln_f", model_type=kind,
        n_embd=24, n_layer=3, n_head=4, n_inner=40, n_positions=40, rotary_dim=4, n_ctx=40,
        tie_word_embeddings=False, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip


def _falcon(name: str, **config: Any) -> Case:
    return _causal(
        name, "bloom", "gelu", "transformer.h.{}.", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h", "transformer.ln_f",
        model_type="falcon", hidden_size=24, num_hidden_layers=3, num_attention_heads=4, ffn_hidden_size=40,
        max_position_embeddings=40, bos_token_id=2, eos_token_id=3, **config,
    )  # fmt: skip


def _deberta(name: str, kind: str, **config: Any) -> Case:
    return replace(
        _bert_like(kind, "deberta", "gelu", relative_attention=True, position_biased_input=False, **config),
        name=name,
        block="deberta.encoder.layer.{}.",
    )


def _t5_relative(kind: str, **config: Any) -> Case:
    case = _t5("gated-gelu")
    family = "umt5" if kind == "umt5" else "t5"
    return replace(case, name=kind, family=family, config={**case.config, "model_type": kind, **config})


_BART = {
    "d_model": 24, "encoder_layers": 3, "decoder_layers": 2, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "max_position_embeddings": 40,
    "activation_function": "gelu", "decoder_start_token_id": 3, "forced_eos_token_id": None, "bos_token_id": 2,
    "eos_token_id": 3,
}  # fmt: skip


def _bart(kind: str, norm: str) -> Case:
    return Case(
        kind, "bart", {"model_type": kind, **_BART}, "gelu", "model.encoder.layers.{}.", "fc1", "fc2", norm=norm,
        head="AutoModelForSeq2SeqLM", objective="encoder",
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
    replace(_bert_like("xlm-roberta", "roberta", "gelu", pad_token_id=1), block="roberta.encoder.layer.{}."),
    replace(_bert_like("camembert", "roberta", "gelu", pad_token_id=1), block="roberta.encoder.layer.{}."),
    _bert_like("mpnet", "mpnet", "gelu", pad_token_id=1),
    _deberta("deberta", "deberta", pos_att_type=["c2p", "p2c"]),
    _deberta("deberta-v3", "deberta-v2", pos_att_type=["p2c", "c2p"], position_buckets=4, share_att_key=True,
             norm_rel_ebd="layer_norm"),
    _modernbert("modernbert", local_attention=4),
    _modernbert("modernbert-decoder", local_attention=4),
    _causal(
        "gpt_bigcode", "starcoder", "gelu_pytorch_tanh", "transformer.h.{}.", "mlp.c_fc", "mlp.c_proj",
        "transformer.ln_f",
        model_type="gpt_bigcode", n_embd=24, n_layer=3, n_head=4, n_inner=40, n_positions=40,
    ),
    _gptj("gptj"),
    _gptj("codegen"),
    replace(
        _causal(
            "bloom", "bloom", "bloom", "transformer.h.{}.", "mlp.dense_h_to_4h", "mlp.dense_4h_to_h",
            "transformer.ln_f", model_type="bloom", hidden_size=24, n_layer=3, n_head=4, pretraining_tp=2,
            slow_but_exact=True,
        ),
        d_ffn=96,
    ),
    _falcon("falcon"),
    _falcon("falcon-sequential-alibi", parallel_attn=False, alibi=True, bias=True),
    _falcon("falcon-new", new_decoder_architecture=True, num_kv_heads=2),
    _llama_like("smollm3", "silu"),
    _llama_like("ministral", "silu", sliding_window=4),
    _llama_like("ministral3", "silu"),
    replace(_llama_like("gemma4_text", "gelu_pytorch_tanh", sliding_window=4, hidden_size_per_layer_input=4,
                        vocab_size_per_layer_input=VOCABULARY, global_head_dim=6, num_kv_shared_layers=1,
                        layer_types=["sliding_attention", "full_attention", "full_attention"]), family="gemma-4"),
    _llama_like("qwen3_5_text", "silu", layer_types=["linear_attention", "full_attention", "linear_attention"],
                linear_key_head_dim=4, linear_value_head_dim=4, linear_num_key_heads=2, linear_num_value_heads=4),
    _llama_like("olmo", "silu", clip_qkv=8.0),
    _llama_like("olmo2", "silu"),
    _llama_like("olmo3", "silu", sliding_window=4),
    _llama_like("granite", "silu", residual_multiplier=0.5),
    _llama_like("stablelm", "silu", partial_rotary_factor=0.34),
    replace(_llama_like("stablelm", "silu", use_parallel_residual=True, partial_rotary_factor=0.34),
            name="stablelm-parallel"),
    _llama_like("seed_oss", "silu"),
    _llama_like("cohere", "silu"),
    _llama_like("cohere2", "silu", sliding_window=4),
    _fused("phi3"),
    _fused("glm"),
    _fused("glm4"),
    _plain("nemotron", "relu2"),
    _plain("phi", "gelu_new", "mlp.fc1", "mlp.fc2", partial_rotary_factor=0.67),
    _plain("starcoder2", "gelu_pytorch_tanh", "mlp.c_fc", "mlp.c_proj"),
    _t5_relative("mt5"),
    _t5_relative("umt5"),
    _t5_relative("longt5", encoder_attention_type="local", local_radius=2),
    _bart("bart", ""),
    _bart("mbart", "model.encoder.layer_norm"),
]  # fmt: skip
BY_NAME = {case.name: case for case in CASES}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `case` for every family member."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", CASES, ids=str)


def need(*kinds: str) -> None:
    """Skip a test of model types that this version of transformers does not have yet."""
    from transformers import CONFIG_MAPPING

    if lacking := [kind for kind in kinds if kind not in CONFIG_MAPPING]:
        pytest.skip(f"this transformers has no {lacking[0]} yet")


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

    need(config["model_type"])
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
