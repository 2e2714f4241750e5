"""What changing neurons does to the prediction of a token in text that has nothing to do with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nwh.ingest.knowledge import passes
from nwh.ingest.knowledge.attributed_prompts import mixed, seeded
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.intervention import Changes, Edit
from nwh.ingest.knowledge.recording import record
from nwh.ingest.knowledge.staircase import batches, run_rows
from nwh.ingest.models.devices import sent
from nwh.ingest.models.loading import LoadedModel
from nwh.ingest.models.tokens import encode
from nwh.warehouse.errors import UsageError

_FEWEST = 3  # tokens of a sentence, special ones not counted


def neutral_inputs(model: LoadedModel, sentences: Sequence[tuple[int, str]], seed: int) -> list[PromptInput]:
    """Return sentences as prompts that ask for one of their own tokens, which seed and id draw.

    A masked model sees the sentence with this token masked, a causal one what stands before it (at least one token).
    sentences: (sentence_id, text); shorter ones than 3 tokens are left out, longer ones than the window cut.
    UsageError: a model that predicts otherwise.
    """
    masked = model.checkpoint.objective == "mlm"
    if not masked and model.checkpoint.objective != "clm":
        raise UsageError(
            f"{model.checkpoint.model} predicts neither a masked nor the next token: side effects are measured on "
            "masked and causal models"
        )
    found = []
    encoded = encode(model, [text for _, text in sentences], model.window)
    for (sentence_id, _), ids, special in zip(
        sentences, encoded["input_ids"], encoded["special_tokens_mask"], strict=True
    ):
        places = [i for i, added in enumerate(special) if not added]
        if len(places) < _FEWEST:
            continue
        asked = [i for i in places if masked or i > 0]
        hashed = mixed(np.array([sentence_id], np.int64).view(np.uint64) ^ seeded(f"{seed}:neutral"))[0]
        at = asked[int(hashed % np.uint64(len(asked)))]
        answer = (ids[at],)
        if masked:
            read = (*ids[:at], model.tokenizer.mask_token_id, *ids[at + 1 :])
            found.append(PromptInput(sentence_id, "", read, at, answer))
        else:
            found.append(PromptInput(sentence_id, "", tuple(ids[:at]), at - 1, answer))
    return found


def divergences(
    model: LoadedModel, inputs: Sequence[PromptInput], edits: Sequence[Edit]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return KL(before || after), loss before and loss after, in nats, of every edit on every input: [edits, inputs].

    edits: their `prompt` is not looked at; none is empty. The distribution is that of the token that is asked for.
    """
    kl, before, after = (np.zeros((len(edits), len(inputs))) for _ in range(3))
    lowest = [int(edit.layers.min()) for edit in edits]
    with torch.inference_mode():
        for group in passes.groups(model, inputs):
            untouched = passes.answer_logits(model, group)[:, 0].float().log_softmax(-1)  # [inputs, vocabulary]
            recording = record(model, group)
            answers = group.answers[:, 0]
            before[:, group.indices] = -untouched.gather(1, answers[:, None]).squeeze(1).cpu().numpy()
            rows = sorted((i, lowest[at], at) for i in range(len(group.indices)) for at in range(len(edits)))
            prompt, layer, index = np.array(rows, np.int64).T
            for batch in batches(recording, prompt, layer, gradients=False):
                changes, of = (
                    Changes([edits[at] for at in index[batch]], model.device),
                    sent(prompt[batch], model.device),
                )
                logits = run_rows(recording, prompt[batch], layer[batch], changes)[:, 0]
                changed, own = logits.float().log_softmax(-1), untouched[of]
                places = index[batch], np.array(group.indices)[prompt[batch]]
                kl[places] = (own.exp() * (own - changed)).sum(-1).clamp(min=0).cpu().numpy()
                after[places] = -changed.gather(1, answers[of, None]).squeeze(1).cpu().numpy()
    return kl, before, after
