"""`nwh ingest prompts | counts`: prompts that ask for concepts, and how often text holds these."""

from __future__ import annotations

from typing import Annotated

import typer

from nwh.cli.options import AgainOption, DatasetOption, ReplaceOption
from nwh.cli.state import state_of
from nwh.warehouse.names import split_list


def prompts(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="File of prompts.")],
    dataset: Annotated[str, typer.Option(help="What the set of prompts is called from now on.")],
    format: Annotated[
        str | None, typer.Option(help="generics-kb, natural-questions, pararel or jsonl; else from the file.")
    ] = None,
    match: Annotated[
        str, typer.Option(help="generics-kb: a concept's sentences are those of its term, or (sentence) that hold it.")
    ] = "term",
    inflections: Annotated[
        bool, typer.Option("--inflections", help="generics-kb: words that begin with the concept too.")
    ] = False,
    multi_word: Annotated[
        bool, typer.Option("--multi-word", help="natural-questions: answers of several words too.")
    ] = False,
    min_prompts: Annotated[int, typer.Option(help="Prompts that make a concept usable.")] = 4,
    paraphrases: Annotated[
        int | None, typer.Option(help="Paraphrase questions up to so many per concept; 0 for none.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the paraphrases.")] = 0,
    again: ReplaceOption = False,
) -> None:
    """Store prompts that ask for concepts, independent of any tokenizer.

    A jsonl line is {"text", "answer"} and optionally "concept", "id", "fact_id", "subject", "objective", "frequency";
    the text holds [MASK] (masked models) or ends before the answer (causal models).

    Example: nwh ingest prompts generics_kb.tsv --dataset generics-kb --match sentence
    """
    from nwh.ingest.prompts.job import PromptSettings, ingest_prompts

    state = state_of(context)
    settings = PromptSettings(match, inflections, multi_word, format, min_prompts, paraphrases, seed)
    ingest_prompts(state.create(), source, dataset, settings, again=again, progress=state.progress)


def counts(
    context: typer.Context,
    dataset: DatasetOption,
    count_in: Annotated[
        list[str], typer.Option(help="Corpora to count in: best the text that the model was trained on.")
    ],
    again: AgainOption = False,
) -> None:
    """Count the sentences that hold each concept, and each fact's subject and answer: frequencies beside wordfreq's.

    Facts are counted where the prompts have a "subject". `nwh sql "from frequency_correlation"` asks whether frequent
    ones are learned earlier.

    Example: nwh ingest counts --dataset facts --count-in wikipedia
    """
    from nwh.ingest.prompts.counts import ingest_counts

    state = state_of(context)
    ingest_counts(state.open(), dataset, split_list(count_in), again=again, progress=state.progress)
