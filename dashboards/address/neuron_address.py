"""What the user chose on the neuron page, as an address and back."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from nwh.dashboards.html.markup import code_span
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.neuron import Neuron, parse_neuron
from nwh.warehouse.queries.neurons import Extent

MAX_SENTENCES = 100
MAX_TEXT = 2000
FOUND = ("word", "tag", "tree", "metadata")
"""Kinds of what was searched for; of metadata the value is KEY=VALUE."""
_JUMP = re.compile(r"(?:(?P<site>hidden|ffn)[/_])?(?P<layer>[0-9]{1,9})[/_](?P<neuron>[0-9]{1,9})")


@dataclass(frozen=True)
class NeuronAddress:
    """One neuron and how it is shown.

    corpora: empty for all there are. k: sentences per pole. tokens: whether activations per token are shown.
    context: whether the sentences around each are shown. text: the user's own, at most MAX_TEXT characters. find: what
    was searched for, KIND:VALUE, empty for nothing.
    """

    neuron: Neuron
    corpora: tuple[str, ...] = ()
    k: int = 10
    tokens: bool = True
    context: bool = False
    text: str = ""
    find: str = ""

    @property
    def found(self) -> tuple[str, str]:
        """The kind (FOUND) and the value of what was searched for."""
        kind, _, value = self.find.partition(":")
        return kind, value

    @property
    def words(self) -> tuple[str, ...]:
        """The words that were searched for, to be marked in sentences."""
        kind, value = self.found
        return tuple(value.replace("|", " ").split()) if kind == "word" else ()

    @property
    def label(self) -> str:
        """MODEL@CHECKPOINT."""
        return f"{self.neuron.model}@{self.neuron.checkpoint}"

    @property
    def address(self) -> dict[str, str]:
        """The query parameters that `read` makes this choice of."""
        place = {"model": self.label, "site": self.neuron.site}
        place |= {"layer": str(self.neuron.layer), "neuron": str(self.neuron.neuron)}
        corpora = {"corpora": ",".join(self.corpora)} if self.corpora else {}
        k = {"k": str(self.k)} if self.k != NeuronAddress.k else {}
        switched = {} if self.tokens else {"tokens": "off"}
        switched |= {"context": "on"} if self.context else {}
        written = {name: getattr(self, name) for name in ("text", "find") if getattr(self, name)}
        return place | corpora | k | switched | written

    @property
    def link(self) -> str:
        """The same as a link, relative: it holds on every page and below whatever path a proxy serves them at."""
        return f"neuron?{urlencode(self.address)}"


def label(extent: Extent) -> str:
    """Return MODEL@CHECKPOINT."""
    return f"{extent.model}@{extent.checkpoint}"


def extent_of(known: Sequence[Extent], model: str, site: str) -> Extent:
    """Return the extent of MODEL@CHECKPOINT at a site, or at the site that it has."""
    of_model = [extent for extent in known if label(extent) == model]
    return next((extent for extent in of_model if extent.site == site), of_model[0])


def within(extent: Extent, choice: NeuronAddress) -> NeuronAddress:
    """Return a choice moved to the nearest neuron of an extent, without corpora that it was not run over."""
    layer = min(choice.neuron.layer, extent.n_layers - 1)
    neuron = min(choice.neuron.neuron, extent.n_neurons - 1)
    corpora = tuple(corpus for corpus in choice.corpora if corpus in extent.corpora)
    place = Neuron(extent.model, extent.checkpoint, extent.site, layer, neuron)
    return replace(choice, neuron=place, corpora=corpora)


def read(address: Mapping[str, str], known: Sequence[Extent]) -> tuple[NeuronAddress, list[str]]:
    """Return the choice of an address, and what is wrong with the address, in Markdown.

    What the address leaves out is the last checkpoint of the first model that was run over a corpus, its first site,
    layer 0, neuron 0; what is wrong with it is replaced likewise or moved to the nearest that exists.
    """
    problems: list[str] = []

    def wrong(name: str, allowed: str) -> None:
        problems.append(f"{name} {code_span(address[name])} is not here: {allowed}")

    def number(name: str, default: int, low: int, high: int) -> int:
        text = address.get(name, str(default))
        if re.fullmatch("[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        wrong(name, f"it is a number from {low} to {high}")
        return high if re.fullmatch("[0-9]+", text) and int(text[:10]) > high else default

    labels = list(dict.fromkeys(map(label, known)))
    first = next((extent for extent in known if extent.corpora), known[0])
    model = address.get("model", _default_label(known, first.model))
    if "@" not in model and any(extent.model == model for extent in known):
        model = _default_label(known, model)
    if model not in labels:
        wrong("model", f"there {_are(labels)}")
        model = _default_label(known, first.model)
    sites = [extent.site for extent in known if label(extent) == model]
    site = address.get("site", sites[0])
    if site not in sites:
        wrong("site", f"{code_span(model)} was run at {_list(sites)}")
    extent = extent_of(known, model, site)
    corpora = tuple(split_list([address.get("corpora", "")]))
    if any(corpus not in extent.corpora for corpus in corpora):
        wrong("corpora", f"{code_span(model)} was run over {_list(extent.corpora) or 'none'}")
    tokens, context = address.get("tokens", "on"), address.get("context", "off")
    for name, value in (("tokens", tokens), ("context", context)):
        if value not in ("on", "off"):
            wrong(name, "it is `on` or `off`")
    place = Neuron(
        extent.model,
        extent.checkpoint,
        extent.site,
        number("layer", 0, 0, extent.n_layers - 1),
        number("neuron", 0, 0, extent.n_neurons - 1),
    )
    k = number("k", NeuronAddress.k, 1, MAX_SENTENCES)
    text = address.get("text", "")
    if len(text) > MAX_TEXT:
        problems.append(f"text has {len(text):,} characters: the page takes up to {MAX_TEXT:,}")
    find = address.get("find", "")
    kind, _, value = find.partition(":")
    if find and (kind not in FOUND or not value or (kind == "metadata" and "=" not in value)):
        wrong("find", "write `word:the king`, `tag:DT NN`, `tree:(NP (DT))` or `metadata:KEY=VALUE`")
        find = ""
    read_so = NeuronAddress(place, corpora, k, tokens != "off", context == "on", text[:MAX_TEXT], find[:MAX_TEXT])
    return within(extent, read_so), problems


def step(extent: Extent, choice: NeuronAddress, by: int) -> NeuronAddress:
    """Return the choice `by` neurons on, from a layer's last to the next layer's first, around at the end."""
    place = choice.neuron.layer * extent.n_neurons + choice.neuron.neuron + by
    layer, neuron = divmod(place % (extent.n_layers * extent.n_neurons), extent.n_neurons)
    return replace(choice, neuron=replace(choice.neuron, layer=layer, neuron=neuron))


def any_neuron(extent: Extent, choice: NeuronAddress) -> NeuronAddress:
    """Return the choice at a random neuron of the extent."""
    return step(extent, choice, random.randrange(extent.n_layers * extent.n_neurons))


def jump(text: str, known: Sequence[Extent], choice: NeuronAddress) -> NeuronAddress:
    """Return the choice at a neuron named `11/2485`, `11_2485`, `ffn/11/2485` or MODEL[@CHECKPOINT]/ffn/11/2485.

    UsageError for a text of another form and for a neuron that is not there.
    """
    if found := _JUMP.fullmatch(text):
        site, layer, neuron = found["site"] or choice.neuron.site, int(found["layer"]), int(found["neuron"])
        place = replace(choice.neuron, site=site, layer=layer, neuron=neuron)
    else:
        try:
            place = parse_neuron(text)
        except UsageError:
            raise UsageError(f"{text!r} does not name a neuron: write ffn/11/2485 or 11_2485") from None
    for extent in known:
        if (extent.model, extent.checkpoint, extent.site) == (place.model, place.checkpoint, place.site):
            extent.check(place)
            return within(extent, replace(choice, neuron=place))
    there = ", ".join(f"{label(extent)}/{extent.site}" for extent in known)
    raise UsageError(f"no neuron {place}; there are neurons of {there}")


def _default_label(known: Sequence[Extent], model: str) -> str:
    """Return a model's last checkpoint, of those that were run over a corpus if any was."""
    of_model = [extent for extent in known if extent.model == model]
    return label(([extent for extent in of_model if extent.corpora] or of_model)[-1])


def _are(names: Sequence[str]) -> str:
    return ("is " if len(names) == 1 else "are ") + _list(names)


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(code_span, names))
