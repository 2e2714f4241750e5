"""Rules that take one pass for all layers: what a prompt's own pass says of each neuron.

`gradient`: (w_i - b_i) dP/dw_i. `relp`: the same through the network that RelP makes linear (see `held`). `logit`: the
same through the residual stream and the norms alone, which is what the neuron itself writes towards the answer: its
column of the down projection, as the norms scale it, on the answer's unembedding less the mean one that the model
expects. Its backward pass goes through no block, but the head.

The logits' own derivative, P (1 - p) of the answer and - P p of the others, turns all three into probabilities: in one
prompt a factor that ranks nothing anew.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor

from nwh.ingest.knowledge.recording import Recording
from nwh.ingest.knowledge.rules.gradients import whole_gradients
from nwh.ingest.knowledge.rules.held import direct, held

_THROUGH = {"relp": held, "logit": direct}


def one_pass(recording: Recording, baseline: Tensor, rule: str) -> tuple[Tensor, Tensor]:
    """Return scores, [prompts, n_layers, d_ffn], and the probability of the answer, [prompts].

    baseline: b, [n_layers, d_ffn]. rule: `gradient`, `relp` or `logit`.
    """
    if rule == "gradient":
        return whole_gradients(recording, baseline)
    return whole_gradients(recording, baseline, partial(_THROUGH[rule], recording.model))
