"""What a device needs of attributions and interventions, as far as a CPU can say: no waiting, memory as planned."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode

from nwh.ingest.knowledge import passes, room, staircase
from nwh.ingest.knowledge.ablation import ablate
from nwh.ingest.knowledge.attribution import answer_activations, answer_scores, attribute
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Edit, intervene
from nwh.ingest.knowledge.recording import record
from nwh.ingest.knowledge.rules.rule import Rule, rules_named
from tests.ingest.knowledge.by_hand import tiny_model
from tests.ingest.models.conftest import BY_NAME

WAITING = {"item", "tolist", "cpu", "numpy", "nonzero", "equal", "unique", "bincount", "masked_select"}
WAITING |= {f"__{kind}__" for kind in ("bool", "int", "float", "index")}


class Waits(TorchFunctionMode):
    """Counts what would wait for a device, were the tensors there: all that main memory asks of tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = Counter()

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in ("__getitem__", "__setitem__"):
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            self.seen["mask"] += any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)
        elif name in WAITING:
            self.seen[name] += 1
        return function(*args, **(kwargs or {}))


def model_of(name, folder, **config):
    case = BY_NAME[name]
    return tiny_model(replace(case, config={**case.config, **config}), folder)


def prompts_of(model, n, length=7):
    """Return prompts of one shape, so that they are one group."""
    ids = torch.randint(5, 26, (n, length), generator=torch.Generator().manual_seed(0)).tolist()
    decoder = (0, 1) if model.family.objective == "seq2seq" else ()
    at = {"mlm": 2, "clm": length - 1, "seq2seq": 1}[model.family.objective]
    return [PromptInput(i, "c", tuple(read), at, (5 + i % 20,), decoder) for i, read in enumerate(ids)]


def waits(model, n):
    """Return how often each kind of work on n prompts waits."""
    prompts, draw = prompts_of(model, n), np.random.default_rng(0)
    n_layers = len(model.family.of_answers().blocks_of(model.base))
    chosen = [np.divmod(np.sort(draw.choice(n_layers * 40, 9, replace=False)), 40) for _ in prompts]
    edits = [Edit(i, *neurons, factor) for i, neurons in enumerate(chosen) for factor in (0.0, 2.0)]
    rules = [Rule("riemann"), Rule("adaptive", agreement=0, max_evaluations=9), *rules_named(["relp", "logit"])]
    work = {rule.name: lambda rule=rule: list(attribute(model, prompts, [rule])) for rule in rules} | {
        "interventions": lambda: intervene(model, prompts, edits),
        "ablations": lambda: ablate(model, prompts, chosen),
        "scores": lambda: answer_scores(model, prompts),
        "activations": lambda: answer_activations(model, prompts),
    }
    found = {}
    for name, do in work.items():
        with Waits() as counting:
            do()
        found[name] = counting.seen
    return found


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox", "t5-relu", "stablelm"])
def test_neither_layers_nor_prompts_wait_for_the_device(name, tmp_path, monkeypatch):
    six = {"num_layers": 6, "num_decoder_layers": 6} if name == "t5-relu" else {"num_hidden_layers": 6}
    small, large = model_of(name, tmp_path / "small"), model_of(name, tmp_path / "large", **six)
    monkeypatch.setattr(room, "_MAIN_MEMORY", room.room_in(small, 80 << 30))
    assert passes.is_bidirectional(small) == passes.is_bidirectional(large)  # which is asked once of a model
    once = waits(small, 4)
    assert waits(small, 12) == once
    assert waits(large, 4) == once
    assert once["riemann"].total() > 0
    assert not once["activations"]["mask"]


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox"])
def test_the_same_run_gives_the_same_bits(name, tmp_path):
    model = model_of(name, tmp_path)
    prompts, rules = prompts_of(model, 6), rules_named(["adaptive", "riemann", "gradient"])
    one, two = (dict(attribute(model, prompts, rules)) for _ in range(2))
    for index, found in one.items():
        for a, b in zip(found, two[index], strict=True):
            assert torch.equal(a.scores, b.scores)
            assert (a.probability, a.evaluations, a.completeness_error) == (
                b.probability,
                b.evaluations,
                b.completeness_error,
            )


def stored_bytes(tensors, but=()):
    """Return the bytes of the memory behind tensors, each piece once."""
    aside = {tensor.untyped_storage().data_ptr() for tensor in but}
    pieces = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(size for place, size in pieces.items() if place not in aside)


SIZES = {"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512, "num_key_value_heads": 2}


@pytest.mark.parametrize("name", ["bert-gelu", "gpt_neox", "llama", "gpt2"])
def test_rows_and_recordings_take_no_more_than_they_were_given(name, tmp_path):
    model = model_of(name, tmp_path, **({"n_embd": 128, "n_head": 2, "n_inner": 512} if name == "gpt2" else SIZES))
    prompts = prompts_of(model, 4, 24)
    (group,) = passes.groups(model, prompts)
    recording = record(model, group)
    parts = [*recording.entry, *recording.exit, *recording.ffn, recording.probability]
    parts += [part for of in recording.memories for each in of for part in (each.keys, each.values)]
    parts += [part for of in recording.projections for part in of.values()]
    weights = [*model.module.parameters(), *model.module.buffers()]
    taken = stored_bytes(parts, weights)
    free = 1 << 30
    given = room.room_in(model, free)
    share = len(prompts) / given.prompts + 4 * 24 / given.tokens  # of an eighth of what rows are given
    assert taken <= share * given.rows / 8
    assert given.rows + given.gradients + given.rows / 4 <= free
    prompt, layer = np.repeat(np.arange(4), 3), np.tile(np.arange(3), 4)
    (order,) = staircase.batches(recording, prompt, layer, gradients=True)
    kept = []

    def change(at, rows, current):
        return current.detach().clone().requires_grad_() if layer[order][rows.start] == at else None

    with saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        logits = staircase.run_rows(recording, prompt[order], layer[order], change)
        probability = passes.answer_probability(model, logits, group.answers[prompt[order]])
    planned = staircase.row_bytes(recording, layer, gradients=True).sum()
    assert probability.requires_grad
    assert planned / 12 <= stored_bytes(kept, [*weights, *parts]) <= planned
