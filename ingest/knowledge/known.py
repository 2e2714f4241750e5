"""The prompts whose answer a model knows: a fact that it does not know, no neuron can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from nwh.ingest.knowledge.attribution import answer_scores
from nwh.ingest.knowledge.reading import Readable
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.models import LoadedModel
from nwh.ingest.prompts.stored import PromptRow
from nwh.warehouse.progress import SILENT, Progress

_CHUNK = 256  # prompts between two steps of the progress bar; see `room.of_block`


def known_prompts(
    model: LoadedModel,
    rows: Sequence[PromptRow],
    readable: Readable,
    min_probability: float,
    min_prompts: int,
    progress: Progress = SILENT,
) -> Readable:
    """Return the prompts to whose answer the model gives at least this probability, the others by reason.

    Concepts with fewer than `min_prompts` of them are left out.
    """
    if min_probability <= 0:
        return readable
    known = []
    size = of_block(_CHUNK, model.device)
    with progress.bar(f"{model.checkpoint} answers", len(readable.inputs), "prompts") as bar:
        for start in range(0, len(readable.inputs), size):
            chunk = readable.inputs[start : start + size]
            scores = answer_scores(model, chunk)
            known += [prompt for prompt, (p, _) in zip(chunk, scores, strict=True) if p >= min_probability]
            bar.advance(len(chunk))
    counts = Counter(prompt.concept for prompt in known)
    kept = [prompt for prompt in known if counts[prompt.concept] >= min_prompts]
    read, right, of_kept = ({prompt.prompt_id for prompt in some} for some in (readable.inputs, known, kept))
    reasons = {
        f"the model gives their answer a probability below {min_probability:g}": read - right,
        f"their concept has fewer than {min_prompts} prompts whose answer the model knows": right - of_kept,
    }
    left_out = {reason: [row for row in rows if row.prompt_id in ids] for reason, ids in reasons.items() if ids}
    return replace(readable, inputs=kept, left_out={**readable.left_out, **left_out})
