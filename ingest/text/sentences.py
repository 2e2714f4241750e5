"""Sentences: documents split by NLTK's Punkt and normalised, and the ids that sentences get."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nwh.ingest.text.documents import Document
from nwh.warehouse.errors import SourceError, UsageError

if TYPE_CHECKING:  # NLTK takes seconds to import
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

MAX_SENTENCES = 2**32
_TRAINING_CHARACTERS = 2_000_000  # 4 s and 100 MB; more text moves less than 0.5 % of Brown's boundaries
_RUN = re.compile(r"([!@#$%^&*()+\-=\[\]{};:?,.])\1+")


def id_base(name: str) -> int:
    """Return the sentence_id of a corpus's first sentence (prompt_id of a data set's); others follow, in order.

    A sentence_id is (the 21 low bits of SHA-256 of the corpus's name) * 2**32 + the sentence's ordinal in
    the corpus, from 0. So ids need no register, are the same whenever the same text is read again, sort by
    position, and stay below 2**53, where JSON and JavaScript numbers are exact. Some two of 50 corpora share
    a base with a chance of 0.06 %: who writes a corpus has to refuse a name whose base is taken.
    """
    return (int.from_bytes(sha256(name.encode()).digest(), "big") % 2**21) * MAX_SENTENCES


def check_base(kind: str, of: str, name: str, others: Iterable[str]) -> None:
    """Raise UsageError for the name of a corpus (data set) whose sentence (prompt) ids another one has."""
    for other in others:
        if other != name and id_base(other) == id_base(name):
            raise UsageError(f"{kind} name {name!r} would share its {of} ids with {other!r}: choose another")


def normalize(sentence: str) -> str:
    """Return a sentence with white space as single blanks and runs of one symbol shrunk to one.

    >>> normalize("Wait ...\\n what?!?! +++")
    'Wait . what?!?! +'
    """
    return _RUN.sub(r"\1", " ".join(sentence.split()))


@dataclass(frozen=True)
class Splitter:
    """A Punkt model. `note` says which, for the user; `settings` say it for `corpora.settings`."""

    note: str
    settings: dict[str, Any]
    _tokenizer: "PunktSentenceTokenizer" = field(repr=False)

    def split(self, document: Document) -> list[str]:
        """Return the document's sentences as Punkt finds them, each normalised; empty ones are left out.

        The number of words of a sentence is `len(sentence.split())`.
        """
        try:
            spans = self._tokenizer.tokenize(document.text)
        except TimeoutError as error:
            raise SourceError(f"document {document.doc_id!r} cannot be split into sentences: {error}") from error
        return [sentence for sentence in map(normalize, spans) if sentence]


def punkt_splitter(documents: Iterable[Document]) -> Splitter:
    """Return NLTK's English Punkt model where `punkt_tab` is installed, else one trained on the corpus.

    `documents` are the corpus; they are read only for training, and then no further than the first 2,000,000
    characters. Raises SourceError if there is nothing to train on.
    """
    import nltk
    from nltk.tokenize.punkt import PunktSentenceTokenizer, load_punkt_params

    settings: dict[str, Any] = {"nltk": nltk.__version__}
    try:
        parameters = load_punkt_params(nltk.data.find("tokenizers/punkt_tab/english/"))
        settings |= {"splitter": "punkt_tab", "language": "english"}
        note = "sentences are split with NLTK's punkt_tab model for English"
    except LookupError:
        parameters, characters = _train(documents)
        settings |= {"splitter": "trained", "characters": characters}
        note = (
            "NLTK's punkt_tab data is not installed: sentences are split with a Punkt model trained on the "
            f"corpus's first {characters:,} characters (python -m nltk.downloader punkt_tab gets NLTK's own)"
        )
    settings["parameters_sha256"] = _fingerprint(parameters)
    parameters.ortho_context = _Contexts(parameters.ortho_context)
    tokenizer = PunktSentenceTokenizer(parameters, lang_vars=_patient_language())
    return Splitter(note, settings, tokenizer)


def _train(documents: Iterable[Document]) -> tuple["PunktParameters", int]:
    """Return Punkt's parameters for the start of a corpus, and the number of characters that taught them."""
    from nltk.tokenize.punkt import PunktTrainer

    sample, characters = [], 0
    for document in documents:
        sample.append(document.text[: _TRAINING_CHARACTERS - characters])
        characters += len(sample[-1])
        if characters >= _TRAINING_CHARACTERS:
            break
    if not characters:
        raise SourceError("no text to train a sentence splitter on: the corpus is empty")
    # A blank line between documents: Punkt takes it for the start of a paragraph.
    return PunktTrainer("\n\n".join(sample)).get_params(), characters


def _fingerprint(parameters: "PunktParameters") -> str:
    known = (parameters.abbrev_types, parameters.collocations, parameters.sent_starters)
    parts = [*map(sorted, known), sorted(parameters.ortho_context.items())]
    return sha256(repr(parts).encode()).hexdigest()


class _Contexts(dict[str, int]):
    """Contexts of words; unlike Punkt's own defaultdict it does not grow with every unknown word."""

    def __missing__(self, key: str) -> int:
        return 0


def _patient_language() -> Any:
    """Return Punkt's language rules without NLTK's time limit of 5 s for finding a text's full stops.

    That clock runs while the sentences are consumed, so a long document fails on a slow machine.
    """
    from nltk import redos
    from nltk.tokenize.punkt import PunktLanguageVars

    class PatientLanguageVars(PunktLanguageVars):  # type: ignore[misc]
        def period_context_re(self) -> redos.TimedPattern:
            return redos.TimedPattern(super().period_context_re(), timeout=None)

    return PatientLanguageVars()
