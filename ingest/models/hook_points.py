"""What the sites of a family are called in TransformerLens and nnsight: columns of `checkpoints`."""

from __future__ import annotations

from nwh.ingest.models.families import (
    ALBERT,
    BART,
    BERT,
    DEBERTA,
    DISTILBERT,
    ELECTRA,
    FAMILIES,
    MPNET,
    ROBERTA,
    Family,
    described,
)

_END_IN_NORM = (BERT, ROBERTA, MPNET, DEBERTA, ELECTRA, DISTILBERT, ALBERT, BART)
"""Families whose blocks end in a norm: `hidden` is after it."""
_SHARED_BLOCKS = (ALBERT,)
"""Families without a module per layer."""


def hook_points(family: str, description: str | None) -> dict[str, list[str]]:
    """Return the names of each site as columns of `checkpoints`, with `{layer}` where the layer stands.

    TransformerLens's first, then nnsight's: a module below the base model, with `.input` or `.output`.
    family, description: as `checkpoints` has them.
    """
    own = described(description) or next(each for each in FAMILIES if each.name == family)
    after = "hook_normalized_resid_post" if own in _END_IN_NORM else "hook_resid_post"
    hidden, ffn = [f"blocks.{{layer}}.{after}"], ["blocks.{layer}.mlp.hook_post"]
    if own not in _SHARED_BLOCKS:
        block = f"{own.blocks}[{{layer}}]"
        hidden.append(f"{block}.output")
        ffn.append(f"{block}.{_down(own)}.input")
    return {"hidden_hooks": hidden, "ffn_hooks": ffn}


def _down(family: Family) -> str:
    return family.down.replace("-1", "1")  # of the two parts of a T5 encoder's block the last
