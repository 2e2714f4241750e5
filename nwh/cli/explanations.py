"""`nwh ingest explanations`: what neurons respond to, in words, and how well that tells their sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nwh.cli.options import (
    AgainOption,
    DeviceOption,
    DtypeOption,
    LayerOption,
    NeuronOption,
    PickleOption,
    SiteOption,
    StoredCheckpointOption,
    StoredModelOption,
    numbers,
)
from nwh.cli.state import state_of
from nwh.warehouse.errors import UsageError
from nwh.warehouse.names import split_list
from nwh.warehouse.sites import sites_and_layers

if TYPE_CHECKING:
    from nwh.ingest.explanations.chat import Chat


def explanations(
    context: typer.Context,
    model: StoredModelOption,
    checkpoint: StoredCheckpointOption = None,
    from_: Annotated[
        Literal["template", "local", "url"],
        typer.Option("--from", help="Words and patterns in a sentence, or a chat model here or of a server."),
    ] = "template",
    from_json: Annotated[
        Path | None,
        typer.Option("--from-json", help="Read explanations that others published: Neuronpedia's, OpenAI's."),
    ] = None,
    chat: Annotated[
        str | None, typer.Option(help="Chat model: as for --model, or the name that a server knows.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Server that speaks OpenAI's chat completions: http://127.0.0.1:8000/v1")
    ] = None,
    judge: Annotated[
        Literal["words", "chat"] | None,
        typer.Option(help="Who judges: shared words, or the chat model; that if it explains."),
    ] = None,
    corpus: Annotated[list[str] | None, typer.Option(help="Corpora; all with activations if not given.")] = None,
    site: SiteOption = None,
    layer: LayerOption = None,
    neuron: NeuronOption = None,
    examples: Annotated[int, typer.Option(help="Top sentences of the first half that explain.")] = 20,
    judged: Annotated[int, typer.Option(help="Top sentences of the second half to judge on, and as many others.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of other sentences and of shuffled explanations.")] = 0,
    as_name: Annotated[
        str | None, typer.Option("--as", help="What these explanations are called in relations.")
    ] = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = "float32",
    allow_pickle: PickleOption = False,
    again: AgainOption = False,
) -> None:
    """Say what each neuron's top sentences are, made of one half of them, and judge it on the other half.

    Run it again after an interruption: it goes on where it was.

    Example: nwh ingest explanations --model bert --layer 3 --from url --url http://127.0.0.1:8000/v1 --chat qwen3
    """
    from nwh.ingest.explanations.halves import ExplanationSettings
    from nwh.ingest.explanations.job import ingest_explanations, ingest_published_explanations
    from nwh.ingest.models.references import model_name
    from nwh.ingest.stored import stored_pairs

    state = state_of(context)
    settings = ExplanationSettings(examples, judged, seed)
    sites, layers = sites_and_layers(site, numbers("--layer", layer))
    chat_explains = from_json is None and from_ != "template"
    judging = judge or ("chat" if chat_explains else "words")
    if chat_explains and (from_ == "url") != (url is not None):
        raise UsageError("--from url needs --url, the server's address" if url is None else "--url needs --from url")
    asked = None
    if chat_explains or judging == "chat":
        asked = _chat(chat, url, device, dtype, allow_pickle)
    if from_json is not None:
        labels = split_list(checkpoint)
        if len(labels) > 1 or layers or neuron or len(sites) > 1:
            raise UsageError(f"{from_json} is of one checkpoint and site, and is read whole: leave the others out")
        ingest_published_explanations(
            state.create(),
            str(from_json),
            settings,
            model=model_name(model),
            checkpoint=labels[0] if labels else "main",
            site=sites[0] if sites else "ffn",
            chat=asked,
            judge=judging,
            source=as_name,
            corpora=split_list(corpus),
            again=again,
            progress=state.progress,
        )
        return
    warehouse = state.open()
    for name, label in stored_pairs(warehouse, model, split_list(checkpoint)):
        ingest_explanations(
            warehouse,
            name,
            label,
            settings,
            chat=asked,
            template=not chat_explains,
            judge=judging,
            source=as_name,
            corpora=split_list(corpus),
            sites=sites,
            layers=layers,
            neurons=numbers("--neuron", neuron),
            again=again,
            progress=state.progress,
        )


def _chat(chat: str | None, url: str | None, device: str, dtype: str, allow_pickle: bool) -> Chat:
    """Return the chat model that is named; UsageError for none."""
    if chat is None:
        raise UsageError("no chat model is named: --chat names it, with --url where a server has it")
    if url is not None:
        from nwh.ingest.explanations.server_chat import ServerChat

        return ServerChat(url, chat)
    from nwh.ingest.explanations.local_chat import LocalChat
    from nwh.ingest.models import load

    return LocalChat(load(chat, head=True, device=device, dtype=dtype, allow_pickle=allow_pickle), chat)
