"""Stored prompts as one model reads them: tokens, answer position, answer; those it cannot read or answer counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tokenizers import Encoding

from nwh.ingest.knowledge.attribution import answer_scores
from nwh.ingest.knowledge.inputs import PromptInput
from nwh.ingest.knowledge.passes import is_bidirectional
from nwh.ingest.knowledge.room import of_block
from nwh.ingest.models import LoadedModel
from nwh.ingest.models.tokens import check_ids, encode
from nwh.ingest.prompts.prompt import MASK
from nwh.ingest.prompts.stored import PromptRow
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.progress import SILENT, Progress

SENTINEL = "<extra_id_0>"
# The unrelated prompts of Ariyama 2024, appendix A: about a key, which is no concept of the data.
UNRELATED = {
    "mlm": "The [MASK], a small metal tool with notches and ridges, is used to unlock doors and access secured spaces.",
    "clm": "what small, often metal object is used to unlock doors, start vehicles, or operate locks, and can come in "
    "different shapes and sizes to fit specific locks and mechanisms?",
}
_CLOSING = " .!?\"')\u2019\u201d"  # what may follow the mask of a prompt that a causal model reads
_CHUNK = 1024  # prompts tokenised at a time
_ASKED = 256  # prompts between two steps of the progress bar; see `room.of_block`


@dataclass(frozen=True)
class Readable:
    """The prompts of a data set that a model can read, by concept and id, and the others by reason.

    shortened: ids of prompts of whose answer the first token alone is scored.
    """

    inputs: list[PromptInput]
    left_out: dict[str, list[PromptRow]]
    shortened: frozenset[int] = frozenset()

    def notes(self) -> Iterator[str]:
        """Yield one line per reason for which prompts were left out, and one for answers that were cut."""
        if shortened := len(self.shortened & {prompt.prompt_id for prompt in self.inputs}):
            yield f"{shortened:,} prompts have answers of several tokens: the first one is scored (--answer all)"
        for reason, rows in self.left_out.items():
            yield f"{len(rows):,} prompts of {len({row.concept for row in rows}):,} concepts left out: {reason}"

    def listing(self) -> Iterator[str]:
        """Yield one line per reason and concept, for `--verbose`."""
        for reason, rows in self.left_out.items():
            for concept, n in sorted(Counter(row.concept for row in rows).items()):
                yield f"{concept}: {n:,} prompts left out: {reason}"


def read_prompts(
    model: LoadedModel, rows: Sequence[PromptRow], *, answer: str = "first", min_prompts: int = 4
) -> Readable:
    """Return what a model reads for each prompt, in the order of `rows`.

    A masked model is given the whole sentence with the answer in place, whose token then gives way to the mask,
    so that the pieces of an inflected word stay. A causal model's answer is what its tokenizer adds when one
    blank and the answer follow the prompt; a masked prompt serves it where only punctuation follows the mask. T5
    gets its sentinel in the place of the mask, or behind a causal prompt.

    answer: `first` takes prompts whose answer is one token (of a causal or T5 prompt with a concept of its own,
        which is not the answer, the first token); `all` takes longer ones, whose tokens are all scored.
    min_prompts: concepts with fewer prompts left are left out.
    UsageError: `all` with a model whose tokens see later ones; a model without a language-model head.
    """
    if model.checkpoint.objective not in ("mlm", "clm", "seq2seq"):
        raise UsageError(f"{model.checkpoint.model} has no language-model head: prompts need one that predicts words")
    if answer == "all" and is_bidirectional(model):
        raise UsageError(
            f"--answer all is for causal and T5 models: tokens of {model.checkpoint.model} see later ones, so it "
            "predicts one at a time; use first"
        )
    inputs: list[PromptInput] = []
    left_out: dict[str, list[PromptRow]] = {}
    reader = _Reader(model, answer)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        for row, found in zip(chunk, reader.read(chunk), strict=True):
            if isinstance(found, str):
                left_out.setdefault(found, []).append(row)
            else:
                inputs.append(found)
    counts = Counter(prompt.concept for prompt in inputs)
    kept = [prompt for prompt in inputs if counts[prompt.concept] >= min_prompts]
    if len(kept) < len(inputs):
        short = {prompt.prompt_id for prompt in inputs if counts[prompt.concept] < min_prompts}
        few = f"their concept has fewer than {min_prompts} prompts that the model can read"
        left_out[few] = [row for row in rows if row.prompt_id in short]
    return Readable(kept, left_out, frozenset(reader.shortened))


def known_prompts(
    model: LoadedModel,
    rows: Sequence[PromptRow],
    readable: Readable,
    min_probability: float,
    min_prompts: int,
    progress: Progress = SILENT,
) -> Readable:
    """Return the prompts to whose answer the model gives at least this probability, the others by reason.

    A fact that a model does not know, no neuron can hold.
    Concepts with fewer than `min_prompts` of them are left out.
    """
    if min_probability <= 0:
        return readable
    known = []
    size = of_block(_ASKED, model.device)
    with progress.bar(f"{model.checkpoint} answers", len(readable.inputs), "prompts") as bar:
        for start in range(0, len(readable.inputs), size):
            chunk = readable.inputs[start : start + size]
            scores = answer_scores(model, chunk)
            known += [prompt for prompt, (p, _) in zip(chunk, scores, strict=True) if p >= min_probability]
            bar.advance(len(chunk))
    counts = Counter(prompt.concept for prompt in known)
    kept = [prompt for prompt in known if counts[prompt.concept] >= min_prompts]
    read, right, of_kept = ({prompt.prompt_id for prompt in some} for some in (readable.inputs, known, kept))
    reasons = {
        f"the model gives their answer a probability below {min_probability:g}": read - right,
        f"their concept has fewer than {min_prompts} prompts whose answer the model knows": right - of_kept,
    }
    left_out = {reason: [row for row in rows if row.prompt_id in ids] for reason, ids in reasons.items() if ids}
    return replace(readable, inputs=kept, left_out={**readable.left_out, **left_out})


def unrelated_prompt(model: LoadedModel) -> PromptInput:
    """Return the prompt about a key, whose activations `replace` puts in; its answer is never looked at."""
    reader = _Reader(model, "all")
    objective = "clm" if model.checkpoint.objective == "clm" else "mlm"
    row = PromptRow(-1, objective, "key", UNRELATED[objective], "key")
    (encoded,) = reader.encode([row.text.replace(MASK, row.answer)])
    if objective == "clm":
        ids, _ = _split_end(encoded)
        found = PromptInput(row.prompt_id, row.concept, tuple(ids), len(ids) - 1, (0,))
    else:
        start = row.text.index(MASK)
        found = reader.masked(row, encoded.ids, _tokens_at(encoded, start, start + len(row.answer)), (0,))
    if len(found.input_ids) > model.window:
        raise UsageError(
            f"replace runs a prompt of {len(found.input_ids)} tokens, more than the window of "
            f"{model.checkpoint.model} ({model.window}): use zero and double"
        )
    return found


class _Reader:
    """One model's way to read prompts: a PromptInput, or the reason why there is none."""

    not_one_token = "their answer is not one token of the model's vocabulary (--answer all takes longer ones)"
    unknown = "their answer is not in the model's vocabulary"
    joined = "the tokenizer joins their answer with the text around it"
    causal = "a masked model cannot read prompts that end before their answer"
    middle = "a causal model cannot read prompts with text after [MASK]"

    def __init__(self, model: LoadedModel, answer: str) -> None:
        self.model = model
        self.tokenizer = model.tokenizer
        self.objective = model.checkpoint.objective
        self.all = answer == "all"
        self.shortened: set[int] = set()
        self.long = f"they are longer than the model's window of {model.window:,} tokens"
        if self.objective == "mlm":
            self.not_one_token = "their answer is not one token of the model's vocabulary"
            self.mask = self._special(self.tokenizer.mask_token, "mask token")
        elif self.objective == "seq2seq":
            self.mask = self._special(SENTINEL, f"sentinel {SENTINEL}")
            start = model.module.config.decoder_start_token_id
            self.start = self.tokenizer.pad_token_id if start is None else start

    def read(self, rows: Sequence[PromptRow]) -> list[PromptInput | str]:
        """Return what the model reads for each row, or the reason why it cannot."""
        unread = self.causal if self.objective == "mlm" else self.middle
        found: dict[int, PromptInput | str] = dict.fromkeys(range(len(rows)), unread)
        masked = {i: row for i, row in enumerate(rows) if row.objective == "mlm" and self.objective != "clm"}
        found |= zip(masked, self._in_place(list(masked.values())), strict=True)
        if self.objective != "mlm":
            others = {i: row for i, row in enumerate(rows) if i not in masked}
            heads = {i: head for i, row in others.items() if (head := _before_answer(row)) is not None}
            found |= zip(heads, self._following([rows[i] for i in heads], list(heads.values())), strict=True)
        return list(found.values())

    # -- the answer stands in the text ------------------------------------------------------------------------

    def _in_place(self, rows: Sequence[PromptRow]) -> Iterator[PromptInput | str]:
        wholes = [row.text.replace(MASK, row.answer) for row in rows]
        words = list(dict.fromkeys(row.answer for row in rows))
        # A tokenizer may know a word with and without a blank before it; both are the word.
        alone = [self.encode(texts, special=False) for texts in (words, [f" {word}" for word in words])]
        tokens = {word: {tuple(each.ids) for each in two} for word, *two in zip(words, *alone, strict=True)}
        for row, whole, sentence in zip(rows, wholes, self.encode(wholes), strict=True):
            start = row.text.index(MASK)
            end = start + len(row.answer)
            span = _tokens_at(sentence, start, end)
            ids, offsets = tuple(sentence.ids[span.start : span.stop]), sentence.offsets
            covered = (offsets[span.start][0], offsets[span.stop - 1][1]) if ids else (start, end)
            if not ids or self.tokenizer.unk_token_id in ids:
                yield self.unknown
            elif whole[min(covered[0], start) : start].strip() or whole[end : max(end, covered[1])].strip():
                yield self.joined
            elif not self.all and (len(ids) > 1 or ids not in tokens[row.answer]):
                yield self.not_one_token
            else:
                yield self._fitting(self.masked(row, sentence.ids, span, ids))

    def masked(self, row: PromptRow, ids: list[int], span: range, answer: tuple[int, ...]) -> PromptInput:
        """Return a prompt whose tokens `span` give way to one mask."""
        read = (*ids[: span.start], self.mask, *ids[span.stop :])
        if self.objective == "seq2seq":
            return PromptInput(row.prompt_id, row.concept, read, 1, answer, (self.start, self.mask, *answer[:-1]))
        return PromptInput(row.prompt_id, row.concept, read, span.start, answer)

    # -- the answer follows the text --------------------------------------------------------------------------

    def _following(self, rows: Sequence[PromptRow], heads: Sequence[str]) -> Iterator[PromptInput | str]:
        wholes = self.encode([f"{head} {row.answer}" for row, head in zip(rows, heads, strict=True)])
        for row, before, after in zip(rows, self.encode(heads), wholes, strict=True):
            ids, closing = _split_end(before)
            whole, _ = _split_end(after)
            answer = tuple(whole[len(ids) :])
            if not ids or whole[: len(ids)] != ids:
                yield self.joined
            elif not answer or self.tokenizer.unk_token_id in answer:
                yield self.unknown
            elif len(answer) > 1 and not self.all and row.concept.casefold() == row.answer.casefold():
                yield self.not_one_token
            else:
                if len(answer) > 1 and not self.all:
                    answer = answer[:1]
                    self.shortened.add(row.prompt_id)
                yield self._fitting(self._continued(row, ids, closing, answer))

    def _continued(self, row: PromptRow, ids: list[int], closing: list[int], answer: tuple[int, ...]) -> PromptInput:
        if self.objective == "seq2seq":
            read, written = (*ids, self.mask, *closing), (self.start, self.mask, *answer[:-1])
            return PromptInput(row.prompt_id, row.concept, read, 1, answer, written)
        return PromptInput(row.prompt_id, row.concept, (*ids, *answer[:-1]), len(ids) - 1, answer)

    # -- both -------------------------------------------------------------------------------------------------

    def _fitting(self, prompt: PromptInput) -> PromptInput | str:
        longest = max(len(prompt.input_ids), len(prompt.decoder_ids))
        return prompt if longest <= self.model.window else self.long

    def encode(self, texts: Sequence[str], special: bool = True) -> list[Encoding]:
        """Return the tokens of texts; those longer than the window are left out later, and not warned of."""
        options = {"add_special_tokens": special, "verbose": False}
        return encode(self.model, texts, **options).encodings if texts else []

    def _special(self, token: str | None, what: str) -> int:
        found = None if token is None else self.tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == self.tokenizer.unk_token_id and token != self.tokenizer.unk_token):
            raise ModelError(f"the tokenizer of {self.model.checkpoint.model} has no {what}: prompts cannot be asked")
        check_ids(self.model, [int(found)], str(token))
        return int(found)


def _before_answer(row: PromptRow) -> str | None:
    """Return what a causal model reads; null where more than punctuation follows the mask."""
    if row.objective == "clm":
        return row.text.rstrip()
    before, _, after = row.text.partition(MASK)
    fits = before.strip() and before[-1].isspace() and not after.strip(_CLOSING)
    return before.rstrip() if fits else None


def _split_end(encoded: Encoding) -> tuple[list[int], list[int]]:
    """Return the ids up to a text's last token, and the special tokens behind it."""
    end = max((i + 1 for i, special in enumerate(encoded.special_tokens_mask) if not special), default=None)
    # A text of special tokens alone is what the tokenizer puts in front.
    return encoded.ids[:end], encoded.ids[end:] if end else []


def _tokens_at(encoded: Encoding, start: int, end: int) -> range:
    """Return the tokens that hold characters of a text from `start` to `end`; an empty range where none does."""
    places = enumerate(zip(encoded.offsets, encoded.special_tokens_mask, strict=True))
    found = [i for i, ((a, b), special) in places if not special and a < b and a < end and b > start]
    return range(found[0], found[-1] + 1) if found else range(0)
