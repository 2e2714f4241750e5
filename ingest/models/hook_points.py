"""What the sites of a family are called in TransformerLens and nnsight: columns of `checkpoints`."""

from __future__ import annotations

from nwh.ingest.models.families import FAMILIES, described

_END_IN_NORM = ("bert", "roberta", "mpnet", "deberta", "electra", "distilbert", "albert", "bart")
"""Families whose blocks end in a norm: `hidden` is after it."""


def hook_points(family: str, description: str | None) -> dict[str, list[str]]:
    """Return the names of each site as columns of `checkpoints`, with `{layer}` where the layer stands.

    TransformerLens's first, then nnsight's: a module below the base model, with `.input` or `.output`; it has none
    where layers share a module. family, description: as `checkpoints` has them.
    """
    own = described(description) or next(each for each in FAMILIES if each.name == family)
    after = "hook_normalized_resid_post" if description is None and family in _END_IN_NORM else "hook_resid_post"
    hidden, ffn = [f"blocks.{{layer}}.{after}"], ["blocks.{layer}.mlp.hook_post"]
    if not own.shared:
        block = f"{own.blocks}[{{layer}}]"
        hidden.append(f"{block}.output")
        ffn.append(f"{block}.{own.down.replace('-1', '1')}.input")  # of the two parts of a T5 encoder's block the last
    return {"hidden_hooks": hidden, "ffn_hooks": ffn}
