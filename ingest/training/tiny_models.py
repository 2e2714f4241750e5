"""Train a tiny language model from scratch, on the CPU, and keep checkpoints along the way.

For the demo and for teaching: every checkpoint is an ordinary model folder (config, safetensors, tokenizer), so
that jobs take the result as a model with checkpoints `step0`, `step10`, ...
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from nwh.ingest.models.saving import appearing, save_model
from nwh.ingest.prompts.stored import stored_prompts
from nwh.ingest.text.corpus import corpus_text
from nwh.ingest.training.tiny_batches import IGNORED, batches, encode, masking, next_tokens
from nwh.ingest.training.tiny_tokenizers import train_byte_pairs, train_wordpiece
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError, UsageError
from nwh.warehouse.progress import SILENT, Progress

RECORD = "training.json"
_WARM_UP = 0.05  # of the steps


@dataclass(frozen=True)
class Recipe:
    """What to train and for how long.

    family: `bert` (masked) or `gpt-neox` (causal). The feed-forward layer has 4 * d_model neurons.
    vocab_size: entries learnt from the texts; words to be kept whole come on top.
    steps: updates, of `batch_size` texts each, of at most `max_tokens` tokens (the model's window).
    learning_rate: AdamW's, after a linear warm-up over 5 % of the steps; falls linearly to a tenth.
    checkpoints: steps after which the model is kept, 0 being the random initialisation; empty for
        0, 10, 20, 50, 100, 200, 500, ... and the last step.
    """

    family: str = "bert"
    vocab_size: int = 2_000
    n_layers: int = 4
    d_model: int = 128
    n_heads: int = 4
    max_tokens: int = 64
    steps: int = 500
    batch_size: int = 32
    learning_rate: float = 1e-3
    checkpoints: tuple[int, ...] = ()
    seed: int = 0

    @property
    def kept_steps(self) -> list[int]:
        """The checkpoints' steps, ascending."""
        if self.checkpoints:
            return sorted(set(self.checkpoints))
        growing = (digit * 10**power for power in range(1, 10) for digit in (1, 2, 5))
        return [0, *(step for step in growing if step < self.steps), self.steps]


def train_tiny(
    out: Path,
    texts: Iterable[str],
    recipe: Recipe,
    *,
    words: Iterable[str] = (),
    answers: Iterable[str] = (),
    progress: Progress = SILENT,
) -> list[Path]:
    """Train a tokenizer and a model on texts; return the folders of its checkpoints in `out`, by step.

    words: kept whole by the tokenizer. answers: kept whole likewise, and asked for in masked training: see
    `tiny_batches.masking`.

    The same texts, recipe, versions and number of threads give the same weights. `out` appears when the training
    is complete, with its settings and losses in `training.json`; the same training is not repeated, by whichever
    versions it was done. UsageError for settings that cannot be, no text, or an `out` that holds something else.
    """
    texts, answers = list(texts), list(dict.fromkeys(answers))
    words = list(dict.fromkeys([*answers, *words]))
    _check(recipe, texts)
    settings, folders = _settings(recipe, texts, words, answers), [out / f"step{step}" for step in recipe.kept_steps]
    if out.exists():
        by = _check_same(out, settings, folders)
        progress.note(f"{out} is trained with these settings already{by}")
        return folders
    started = time.monotonic()
    # The caller's random numbers go on as if nothing had been drawn.
    with appearing(out) as unfinished, torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        tokenizer = _FAMILIES[recipe.family].train_tokenizer(texts, recipe.vocab_size, words, recipe.max_tokens)
        losses = _train(tokenizer, texts, answers, recipe, unfinished, progress)
        seconds = round(time.monotonic() - started, 1)
        record = {**settings, "losses": losses, "seconds": seconds}
        (unfinished / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    first, last = losses[0]["loss"], losses[-1]["loss"]
    progress.note(f"{out.name}: {recipe.steps:,} steps in {seconds:.0f} s, loss {first:.2f} to {last:.2f}")
    return folders


def train_on_corpora(
    warehouse: Warehouse,
    out: Path,
    corpora: Sequence[str],
    datasets: Sequence[str],
    recipe: Recipe,
    *,
    progress: Progress = SILENT,
) -> list[Path]:
    """Train on the sentences of stored corpora: see `train_tiny`. UsageError for an unknown corpus or data set.

    datasets: sets of prompts whose concepts the tokenizer keeps whole, as far as they are of letters alone. All
    sentences are held in memory.
    """
    for corpus in corpora:
        corpus_text(warehouse, corpus)
    for dataset in datasets:
        stored_prompts(warehouse, dataset)
    with warehouse.cursor() as cursor:
        texts = cursor.execute(
            "select text from sentences where list_contains($1, corpus) order by sentence_id", [list(corpora)]
        ).fetchall()
        concepts = cursor.execute(
            "select distinct concept from concepts where list_contains($1, dataset) order by 1", [list(datasets)]
        ).fetchall()
    words = [concept for (concept,) in concepts if concept.isalpha()]
    if others := len(concepts) - len(words):
        progress.note(f"{others:,} concepts are not of letters alone: the tokenizer may cut them")
    return train_tiny(out, (text for (text,) in texts), recipe, words=words, progress=progress)


def _check(recipe: Recipe, texts: Sequence[str]) -> None:
    if recipe.family not in _FAMILIES:
        raise UsageError(f"family {recipe.family!r} cannot be trained here: use {' or '.join(_FAMILIES)}")
    sizes = ("n_layers", "d_model", "n_heads", "steps", "batch_size", "learning_rate")
    if wrong := [name for name in sizes if getattr(recipe, name) <= 0]:
        raise UsageError(f"{wrong[0]} must be more than 0, not {getattr(recipe, wrong[0])}")
    # A rotary embedding turns pairs of dimensions, in a quarter of each head.
    if recipe.d_model % (8 * recipe.n_heads):
        raise UsageError(f"d_model {recipe.d_model} must be a multiple of 8 for each of {recipe.n_heads} heads")
    if recipe.max_tokens < 4:
        raise UsageError(f"max_tokens must be at least 4, not {recipe.max_tokens}")
    if outside := [step for step in recipe.kept_steps if not 0 <= step <= recipe.steps]:
        raise UsageError(f"there is no checkpoint {outside[0]} in a training of {recipe.steps} steps")
    if not any(text.strip() for text in texts):
        raise UsageError("no text to train on: the texts are empty")


def _settings(recipe: Recipe, texts: Sequence[str], words: list[str], answers: list[str]) -> dict[str, Any]:
    """Return all that decides the weights, as JSON holds it."""
    return {
        **asdict(recipe),
        "checkpoints": recipe.kept_steps,
        "n_texts": len(texts),
        "texts_sha256": sha256("\0".join(texts).encode()).hexdigest(),
        "words": words,
        "answers": answers,
        "versions": {name: version(name) for name in ("nwh", "torch", "transformers", "tokenizers")},
    }


def _check_same(out: Path, settings: dict[str, Any], folders: Sequence[Path]) -> str:
    """Return which other versions trained `out`, as text; none where they are the same.

    UsageError unless `out` holds the training that the settings describe; StorageError where a folder is missing.
    """
    try:
        record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(f"{out} is there and is no training of nwh's: name another folder") from None
    before, now = record.get("versions") or {}, settings["versions"]
    if differ := [name for name in settings if name != "versions" and record.get(name) != settings[name]]:
        raise UsageError(
            f"{out} holds another training (other {', '.join(differ)}): name another folder, or remove this one"
        )
    if missing := [folder for folder in folders if not (folder / "model.safetensors").is_file()]:
        raise StorageError(f"{missing[0]} is missing or cut: remove {out} and train again")
    others = ", ".join(f"{name} {before.get(name)}" for name in now if before.get(name) != now[name])
    return f", by {others}: what is installed now may give other weights" if others else ""


@dataclass(frozen=True)
class _Family:
    """How one family is made: its tokenizer, its random model, the attribute with its head, its batches."""

    train_tokenizer: Callable[[Sequence[str], int, Sequence[str], int], Any]
    build: Callable[[Recipe, Any], Any]
    head: str
    masked: bool


def _bert(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    # Tied embeddings learn the facts of a small world far more slowly.
    own: dict[str, Any] = {"type_vocab_size": 1, "tie_word_embeddings": False}
    own |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return BertForMaskedLM(BertConfig(**_shape(recipe, tokenizer), **own))


def _gpt_neox(recipe: Recipe, tokenizer: Any) -> Any:
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    end = tokenizer.eos_token_id
    return GPTNeoXForCausalLM(GPTNeoXConfig(**_shape(recipe, tokenizer), bos_token_id=end, eos_token_id=end))


def _shape(recipe: Recipe, tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": recipe.d_model,
        "num_hidden_layers": recipe.n_layers,
        "num_attention_heads": recipe.n_heads,
        "intermediate_size": 4 * recipe.d_model,
        "max_position_embeddings": recipe.max_tokens,
        "pad_token_id": tokenizer.pad_token_id,
    }


_FAMILIES = {
    "bert": _Family(train_wordpiece, _bert, "cls", masked=True),
    "gpt-neox": _Family(train_byte_pairs, _gpt_neox, "lm_head", masked=False),
}


def _train(
    tokenizer: Any, texts: Sequence[str], answers: Sequence[str], recipe: Recipe, out: Path, progress: Progress
) -> list[dict[str, float]]:
    """Train, save the checkpoints, return the mean loss (nats per predicted token) up to each of them."""
    family = _FAMILIES[recipe.family]
    model = family.build(recipe, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(), recipe.learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe.steps))
    stream = batches(encode(tokenizer, texts, family.masked), recipe.batch_size, tokenizer.pad_token_id)
    predicted = masking(tokenizer, answers) if family.masked else next_tokens
    kept, losses, since = set(recipe.kept_steps), [], []

    def keep(step: int) -> None:
        if step in kept:
            save_model(model, tokenizer, out / f"step{step}")

    keep(0)
    model.train()
    with progress.bar(f"train {recipe.family}", recipe.steps, "steps") as bar:
        for step in range(1, recipe.steps + 1):
            ids, mask = next(stream)
            ids, labels = predicted(ids, mask)
            hidden = model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state
            at = labels != IGNORED  # [batch, tokens]
            # The head is the dearest layer of a small model: it runs where something is predicted.
            loss = cross_entropy(getattr(model, family.head)(hidden[at]), labels[at], reduction="sum")
            loss = loss / at.sum().clamp(min=1)  # of a small batch of short texts nothing may be hidden
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            since.append(loss.item())
            if step in kept or step == recipe.steps:
                losses.append({"step": step, "loss": sum(since) / len(since)})
                since = []
            keep(step)
            bar.advance(1)
    return losses


def _rate(step: int, steps: int) -> float:
    """Return the share of the learning rate that the update after `step` others uses."""
    warm_up = max(1, round(_WARM_UP * steps))
    return (step + 1) / warm_up if step < warm_up else 1 - 0.9 * (step - warm_up) / max(1, steps - warm_up)
