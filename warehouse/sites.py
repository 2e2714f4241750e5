"""What sites are called elsewhere: hook points of TransformerLens, modules as nnsight names them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list

SITES = ("hidden", "ffn")
_LENS = re.compile(r"blocks\.(\d+)\.(?:(hook_resid_post|hook_normalized_resid_post)|mlp\.hook_post)")
_ENGINE = re.compile(r"(?:(resid_post)|mlp_act)\.(\d+)")
_BLOCK = r"(?:[a-z_]+\.)*(?:h|layers?|blocks?)(?:\.|\[)(\d+)\]?"
_OUTPUT = re.compile(rf"{_BLOCK}\.output(?:\[0\])?")
_DOWN = re.compile(
    rf"{_BLOCK}\.(?:mlp\.(?:c_proj|down_proj|dense_4h_to_h|fc2|fc_out|Wo)|feed_forward\.w2|fc2|ffn\.lin2|ffn_output|"
    r"output\.dense|layer\.1\.DenseReluDense\.wo)\.input(?:\[0\])?"
)
"""The input of a block's down projection, as the families of `ingest/models/families.py` have it."""


def site_of(name: str) -> tuple[str, int | None]:
    """Return site and layer that a name stands for; the layer is null where it names none.

    >>> site_of("ffn"), site_of("blocks.3.mlp.hook_post"), site_of("model.layers[3].output")
    (('ffn', None), ('ffn', 3), ('hidden', 3))

    Names: `hidden`, `ffn`; `blocks.L.hook_resid_post`, `blocks.L.mlp.hook_post` (TransformerLens); `resid_post.L`,
    `mlp_act.L`; a block's `.output`, or the `.input` of its down projection, in transformers' tree of modules
    (nnsight). Of models whose blocks end in a norm, as BERT's, `hidden` is TransformerLens's
    `blocks.L.hook_normalized_resid_post`. UsageError for another.
    """
    if name in SITES:
        return name, None
    if found := _LENS.fullmatch(name):
        return "hidden" if found[2] else "ffn", int(found[1])
    if found := _ENGINE.fullmatch(name):
        return "hidden" if found[1] else "ffn", int(found[2])
    for pattern, site in ((_OUTPUT, "hidden"), (_DOWN, "ffn")):
        if found := pattern.fullmatch(name):
            return site, int(found[1])
    raise UsageError(
        f"site {name!r} is not known: use hidden (blocks.L.hook_resid_post of TransformerLens, a block's .output of "
        "nnsight) or ffn (blocks.L.mlp.hook_post, the .input of its down projection)"
    )


def sites_and_layers(names: Sequence[str] | None, layers: Sequence[int]) -> tuple[list[str], list[int]]:
    """Return the sites and layers that options name, where a hook point stands for a site and a layer.

    UsageError for an unknown name, and for hook points of two sites that are not at the same layers.
    """
    found = [site_of(name) for name in split_list(names)]
    of_site: dict[str, set[int]] = {}
    for site, layer in found:
        of_site.setdefault(site, set()).update([] if layer is None else [layer])
    if len({frozenset(some) for some in of_site.values()}) > 1:
        raise UsageError("the hook points of hidden and ffn are at different layers: name one site at a time")
    named = next(iter(of_site.values()), set())
    if named and layers:
        raise UsageError("a hook point names its layer: leave --layer out, or name the site alone (hidden, ffn)")
    return list(of_site), sorted(named) or list(layers)


def whole_sites(names: Sequence[str] | None) -> list[str]:
    """Return the sites that an option names, of a job that takes sites whole; UsageError for a point of one layer."""
    sites, layers = sites_and_layers(names, [])
    if layers:
        raise UsageError(f"{', '.join(split_list(names))} is one layer, and this job takes whole sites: hidden or ffn")
    return sites
