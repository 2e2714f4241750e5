"""Job `prompts`: a file of prompts becomes a data set of concepts.

Reads a prompt file; writes prompts, concepts. The unit is the data set.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from nwh.ingest.prompts.paraphrases import Paraphraser, paraphraser
from nwh.ingest.prompts.prompt import Prompt, Reading
from nwh.ingest.prompts.sources import PromptFile, read_prompt_file
from nwh.ingest.text.sentences import check_base, id_base
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import UsageError, check_least
from nwh.warehouse.names import check_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage.provenance import prompts_sha256, subjects_sha256
from nwh.warehouse.storage.runs import Run


@dataclass(frozen=True)
class PromptSettings(Reading):
    """What a user can choose: how the file is read, and see `nwh ingest prompts --help`.

    format: null to tell it from the file.
    min_prompts: how many prompts make a concept usable; nothing is left out here, models differ.
    paraphrases: causal concepts with fewer prompts than this get paraphrases up to it; 0 for none, null for
        `min_prompts` where the format is natural-questions and none elsewhere.
    """

    format: str | None = None
    min_prompts: int = 4
    paraphrases: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, min_prompts=1, **({} if self.paraphrases is None else {"paraphrases": 0}))


@dataclass(frozen=True, slots=True)
class _Row:
    """A prompt with its place in the data set, and the place of what it paraphrases."""

    place: int
    prompt: Prompt
    paraphrase_of: int | None = None


def ingest_prompts(
    warehouse: Warehouse,
    source: str,
    dataset: str,
    settings: PromptSettings | None = None,
    *,
    again: bool = False,
    progress: Progress = SILENT,
) -> Run:
    """Read a prompt file and store it as a data set, replacing it if it exists; return the run.

    What others have made of earlier prompts is removed with them where `again` says so; otherwise UsageError. The same
    prompts leave everything as it is.

    Raises UsageError for a name that is not allowed, SourceError for a file that cannot be read as asked.
    """
    settings = settings or PromptSettings()
    check_name("data set", dataset)
    stored = warehouse.sql("select distinct dataset from prompts").fetchall()
    check_base("data set", "prompt", dataset, (other for (other,) in stored))
    found = read_prompt_file(source, settings.format, settings)
    described = {
        "dataset": dataset,
        "source": source,
        "source_sha256": sha256(Path(source).read_bytes()).hexdigest(),
        **asdict(settings),
        "format": found.format,
    }
    with warehouse.run("prompts", {"dataset": dataset}, described, again=again, progress=progress) as run:
        for reason, n in found.left_out.items():
            run.note(f"{source}: {n:,} {reason}; left out")
        rows = [_Row(place, prompt) for place, prompt in enumerate(found.prompts)]
        rows += _paraphrases(run, rows, _wanted(settings, found), settings)
        _write(run, dataset, rows, settings.min_prompts)
    return run


def _wanted(settings: PromptSettings, found: PromptFile) -> int:
    """Return how many prompts a causal concept should have."""
    if settings.paraphrases is None:
        return settings.min_prompts if found.format == "natural-questions" else 0
    if settings.paraphrases and all(prompt.objective == "mlm" for prompt in found.prompts):
        raise UsageError("--paraphrases is for questions: this file has masked prompts only")
    return settings.paraphrases


def _paraphrases(run: Run, rows: Sequence[_Row], wanted: int, settings: PromptSettings) -> list[_Row]:
    """Return paraphrases, placed behind all originals: these keep their ids whatever is asked for here.

    None, with a note, where nothing is installed to make them; UsageError where the user asked for them.
    """
    of_concept = defaultdict(list)
    for row in rows:
        if row.prompt.objective == "clm":
            of_concept[row.prompt.concept].append(row)
    short = {concept: originals for concept, originals in of_concept.items() if len(originals) < wanted}
    if not short:
        return []
    chosen = paraphraser(settings.seed)
    if chosen is None:
        way_out = "WordNet's data are not installed (`python -m nltk.downloader wordnet` gets them)"
        if settings.paraphrases:
            raise UsageError(f"--paraphrases {settings.paraphrases} needs synonyms: {way_out}")
        run.note(f"{len(short):,} concepts stay below {wanted} prompts: questions are not paraphrased, {way_out}")
        return []
    run.settings["paraphraser"] = chosen.name
    found = [each for originals in short.values() for each in _up_to(wanted, originals, chosen)]
    made = [_Row(len(rows) + i, prompt, place) for i, (prompt, place) in enumerate(found)]
    run.note(
        f"{len(made):,} paraphrases ({chosen.name}) for {len(short):,} concepts of fewer than {wanted} prompts; a "
        "question whose words have no synonyms gets none"
    )
    return made


def _up_to(wanted: int, originals: Sequence[_Row], chosen: Paraphraser) -> Iterable[tuple[Prompt, int]]:
    """Return paraphrases of a concept's prompts, each with the place of its original, shared among these evenly."""
    missing = wanted - len(originals)
    taken = {row.prompt.text for row in originals}
    kept: list[tuple[Prompt, int]] = []
    # Each original may have to give all that is missing, where another one gives none.
    ranked = [chosen.paraphrase(row.prompt.text, missing) for row in originals]
    for turn in range(missing):
        for row, texts in zip(originals, ranked, strict=True):
            if len(kept) < missing and turn < len(texts) and texts[turn] not in taken:
                taken.add(texts[turn])
                kept.append((replace(row.prompt, text=texts[turn]), row.place))
    return kept


def _write(run: Run, dataset: str, rows: Sequence[_Row], min_prompts: int) -> None:
    base = id_base(dataset)
    ordered = sorted(rows, key=lambda row: (row.prompt.concept, row.place))
    columns = ("objective", "concept", "text", "answer", "fact_id", "subject")
    run.settings["prompts_sha256"] = prompts_sha256(
        (base + row.place, *(getattr(row.prompt, name) for name in columns[:4])) for row in ordered
    )
    run.settings["subjects_sha256"] = subjects_sha256(
        (prompt.fact_id, prompt.concept, prompt.subject, prompt.answer) for prompt in (row.prompt for row in ordered)
    )
    prompts = {
        "prompt_id": [base + row.place for row in ordered],
        **{name: [getattr(row.prompt, name) for row in ordered] for name in columns},
        "paraphrase_of": [None if row.paraphrase_of is None else base + row.paraphrase_of for row in ordered],
    }
    run.write("prompts", {"dataset": dataset}, prompts)
    counts = Counter(row.prompt.concept for row in ordered)
    given = {row.prompt.concept: float(row.prompt.frequency) for row in ordered if row.prompt.frequency is not None}
    # two units must not meet in one data set: what has no number stays without
    figures, source = (given, "given") if given else (_zipf(run, counts), "wordfreq")
    concepts = {
        "concept": list(counts),
        "n_prompts": list(counts.values()),
        "frequency": [figures.get(concept) for concept in counts],
        "frequency_source": [source if concept in figures else None for concept in counts],
    }
    run.write("concepts", {"dataset": dataset}, concepts)
    enough = sum(n >= min_prompts for n in counts.values())
    run.note(
        f"{dataset} has {len(rows):,} prompts for {len(counts):,} concepts, {enough:,} of them with at least "
        f"{min_prompts} prompts"
    )


def _zipf(run: Run, concepts: Iterable[str]) -> dict[str, float]:
    """Return English words' frequencies on wordfreq's Zipf scale; none, with a note, where it is not installed."""
    try:
        import wordfreq
    except ImportError:
        run.note("concepts have no frequency: wordfreq is not installed (pip install 'nwh[wordfreq]')")
        return {}
    run.versions["wordfreq"] = version("wordfreq")
    return {concept: wordfreq.zipf_frequency(concept, "en") for concept in concepts}
