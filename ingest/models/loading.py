"""Load one checkpoint: weights, tokenizer, and the values of its row in `checkpoints`."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nwh.ingest.models.devices import pick_device, pick_dtype
from nwh.ingest.models.families import Family, description_of, family_of, objective_of
from nwh.ingest.models.files import commit_of, weight_files
from nwh.ingest.models.hashing import weights_sha256
from nwh.ingest.models.references import Source, resolve
from nwh.ingest.models.sizes import n_parameters, neurons
from nwh.warehouse.errors import ModelError, UsageError

_TOKENIZER = (
    *("tokenizer.json", "vocab.txt", "vocab.json", "tekken.json"),
    *("spiece.model", "spm.model", "sentencepiece.bpe.model", "tokenizer.model"),
)
_HEADS = {"mlm": "AutoModelForMaskedLM", "clm": "AutoModelForCausalLM", "seq2seq": "AutoModelForSeq2SeqLM"}
# Where a configuration says how long a sequence may be; T5 need not, and was trained on 512 tokens.
_WINDOWS = ("max_position_embeddings", "n_positions", "seq_length")
_RELATIVE_POSITIONS_WINDOW = 512
# Names of tensors of a model for text and pictures -> those of its text part alone.
_TEXT_PART = {r"^(model\.)?language_model\.lm_head\.": "lm_head.", r"^(model\.)?language_model\.(model\.)?": "model."}


@dataclass(frozen=True)
class Checkpoint:
    """The values of a `checkpoints` row that a checkpoint is known by, in its order; `hook_points` has the rest.

    series, seed: see `references.Source`.
    revision: commit of a hub repository, null for local files.
    family_description: JSON of a family that its user described, null for those nwh knows.
    n_parameters: of the base model with its embeddings, without pooler and heads; tied ones count once.
    """

    model: str
    checkpoint: str
    series: str
    seed: int | None
    step: int | None
    source: str
    revision: str | None
    family: str
    family_description: str | None
    objective: str
    n_layers: int
    d_model: int
    d_ffn: int
    vocab_size: int
    n_parameters: int
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.model}@{self.checkpoint}"


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint in memory, in evaluation mode with frozen parameters.

    module: the base model, or the model with its language-model head where `load` was asked for it.
    tokenizer: a fast tokenizer that has a pad token and pads on the right.
    window: the most tokens a sequence may have, special tokens included.
    pickled: whether the weights are from pickles.
    tf32: whether float32 matrices are multiplied with TF32's mantissa; see `devices.multiplying`.
    """

    module: Any
    tokenizer: Any
    family: Family
    device: torch.device
    dtype: torch.dtype
    window: int
    checkpoint: Checkpoint
    pickled: bool = False
    tf32: bool = False

    @property
    def base(self) -> nn.Module:
        """The model without its head."""
        return self.module.base_model  # type: ignore[no-any-return]

    @cached_property
    def without_row(self) -> dict[int, str]:
        """Tokens that the tokenizer knows and the embedding has no row for, by id: none in most models."""
        return {i: token for token, i in self.tokenizer.get_vocab().items() if i >= self.checkpoint.vocab_size}


def load(
    reference: str,
    checkpoint: str | None = None,
    *,
    name: str | None = None,
    head: bool = False,
    device: str = "auto",
    dtype: str = "float32",
    allow_pickle: bool = False,
    family: Family | None = None,
    revision: str | None = None,
) -> LoadedModel:
    """Load a checkpoint of a model reference and describe it.

    head: with the language-model head of the checkpoint's objective.
    device: `auto` takes CUDA, then MPS, then the CPU. dtype: `float32`, `tf32` (float32 that is multiplied
        with fewer bits, where the device can), `bfloat16` or `float16`.
    allow_pickle: also load pickled weights, through torch's `weights_only`, not safetensors and GGUF only.
    family: how to read an architecture that nwh does not know.
    revision: commit of a hub repository to take, wherever its branch has moved since.
    UsageError: no such reference, checkpoint, device, dtype or family. ModelError: files that cannot be used.
    """
    wanted = pick_dtype(dtype)
    target = pick_device(device)
    source = resolve(reference, checkpoint, name)
    if revision and source.is_hub:
        source = replace(source, revision=revision)
    with quiet(source.gguf_file is not None):
        if source.gguf_file:
            _need_gguf(source)
        revision = commit_of(source)
        files = weight_files(source, revision, allow_pickle)
        place = _place(source, revision)
        config, family, names = _config(source, place, family)
        objective = objective_of(config.architectures, family)
        placed = {**place, "dtype": wanted, **({"key_mapping": names} if names else {})}
        module = _module(source, placed, config, family, objective if head else None, files)
        d_ffn, d_model = neurons(source, family, module.base_model)
        tokenizer = _tokenizer(source, place)
    module = module.to(target).requires_grad_(False).eval()
    row = Checkpoint(
        **{name: getattr(source, name) for name in ("model", "checkpoint", "series", "seed", "step", "source")},
        revision=revision,
        family=family.name,
        family_description=description_of(family),
        objective=objective,
        n_layers=len(family.blocks_of(module.base_model)),
        d_model=d_model,
        d_ffn=d_ffn,
        vocab_size=module.get_input_embeddings().num_embeddings,
        n_parameters=n_parameters(module),
        weights_sha256=weights_sha256(files),
    )
    window, pickled = _window(config, family, tokenizer), files[0].suffix not in (".safetensors", ".gguf")
    return LoadedModel(module, tokenizer, family, target, wanted, window, row, pickled, dtype == "tf32")


def _place(source: Source, revision: str | None) -> dict[str, Any]:
    """Return what every `from_pretrained` call takes to find the files."""
    # False is said, not left out: transformers would ask on the terminal whether to run a repository's code.
    place: dict[str, Any] = {"pretrained_model_name_or_path": source.location, "trust_remote_code": False}
    if source.gguf_file:
        place["gguf_file"] = source.gguf_file
    return {**place, "revision": revision} if revision else place


def _config(source: Source, place: dict[str, Any], family: Family | None) -> tuple[Any, Family, dict[str, str]]:
    """Return configuration and family, and how the text part's tensors are called where a model has other parts."""
    from transformers import AutoConfig, PreTrainedConfig

    names: dict[str, str] = {}
    with _explained(source, "configuration"):
        if source.gguf_file:
            config = AutoConfig.from_pretrained(**place)
            family = family or family_of(config.model_type)
        else:
            # The family first: a model type that transformers does not know either gets the same message.
            values, _ = PreTrainedConfig.get_config_dict(**place)
            text = values.get("text_config")
            if family is None and not text:
                family = family_of(values.get("model_type", "(none in config.json)"), values)
            config = AutoConfig.from_pretrained(**place)
            if family is None:
                whole, config = config, config.text_config
                family, names = family_of(config.model_type, text), _TEXT_PART
                # The whole model's says whether the head is the embedding; where a head is stored, it is not.
                config.tie_word_embeddings = whole.tie_word_embeddings
                heads = whole.architectures or ()
                config.architectures = [name.replace("ForConditionalGeneration", "ForCausalLM") for name in heads]
    # These would have the down projection run in parts (BLOOM: around its module), ModernBERT's compiled: hooks would
    # not see it whole. All at once is the same computation.
    config.chunk_size_feed_forward = 0
    config.slow_but_exact = config.reference_compile = False
    return config, family, names


def _module(
    source: Source, place: dict[str, Any], config: Any, family: Family, objective: str | None, files: list[Path]
) -> Any:
    import transformers

    if objective and family.objective == "encoder":
        raise ModelError(f"of {config.model_type} the encoder alone is read: name a model whose head predicts words")
    if objective == "encoder":
        raise ModelError(f"{source} has no language-model head ({config.architectures}): name one that has")
    auto = getattr(transformers, _HEADS[objective] if objective else "AutoModel")
    options = {"add_pooling_layer": False} if family.pooler and not objective else {}
    if not source.gguf_file:
        options |= {"use_safetensors": files[0].suffix == ".safetensors", "weights_only": True}
    with _explained(source, "weights"):
        module, info = auto.from_pretrained(**place, config=config, output_loading_info=True, **options)
    if info["missing_keys"]:
        # transformers would fill these with random numbers.
        missing = sorted(info["missing_keys"])
        raise ModelError(
            f"{source} lacks {len(missing)} tensors of a {type(module).__name__}, such as {missing[0]}: "
            "its config.json describes another model"
        )
    return module


def _tokenizer(source: Source, place: dict[str, Any]) -> Any:
    from transformers import AutoTokenizer

    folder = Path(source.location)
    if not source.is_hub and not source.gguf_file and not _has_tokenizer(folder):
        # Checkpoints in sub-folders often share the tokenizer beside them.
        if not _has_tokenizer(folder.parent):
            raise ModelError(f"{source} has no tokenizer: save one in {folder} (tokenizer.json)")
        place = {**place, "pretrained_model_name_or_path": str(folder.parent)}
    with _explained(source, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(**place)
    if not tokenizer.is_fast:
        raise ModelError(f"{source} has a slow tokenizer only: save a tokenizer.json beside it")
    if tokenizer.pad_token is None:
        # Padded positions are masked, so any token will do.
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "right"
    return tokenizer


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / filename).is_file() for filename in _TOKENIZER)


def _need_gguf(source: Source) -> None:
    try:
        import accelerate  # noqa: F401
        import gguf  # noqa: F401
    except ImportError as error:
        raise ModelError(f"{source.gguf_file} needs the GGUF reader: pip install nwh[gguf]") from error


def _window(config: Any, family: Family, tokenizer: Any) -> int:
    said = (getattr(config, name, None) for name in _WINDOWS)
    positions = next((n for n in said if isinstance(n, int)), _RELATIVE_POSITIONS_WINDOW)
    if family.positions_after_padding:
        positions -= config.pad_token_id + 1
    # A tokenizer that knows no limit says 1e30.
    return min(positions, int(tokenizer.model_max_length))


@contextlib.contextmanager
def _explained(source: Source, what: str) -> Iterator[None]:
    """Turn whatever transformers raises into a ModelError with its first line."""
    try:
        yield
    except (ModelError, UsageError):
        raise
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ModelError(f"the {what} of {source} cannot be loaded: {reason}") from error


@contextlib.contextmanager
def quiet(gguf: bool = False) -> Iterator[None]:
    """Keep the progress bars and warnings of transformers off the terminal, and restore its settings."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # The GGUF reader's bar knows no setting.
        errors = contextlib.redirect_stderr(io.StringIO()) if gguf else contextlib.nullcontext()
        with warnings.catch_warnings(action="ignore"), errors:
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
