"""Job `fine-tune`: a model trained to classify the documents of a corpus, kept as a model of its own.

Reads sentences and sentence_metadata; writes an ordinary model folder and its row of checkpoints. The unit is the
new model. The recipe by default is that of Oba et al. 2021 (section 4.4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nwh.ingest.checkpoints import model_versions, write_checkpoint
from nwh.ingest.models import LoadedModel, load
from nwh.ingest.models.saving import appearing, model_folder
from nwh.ingest.text.corpus import corpus_text
from nwh.ingest.training.classifier import (
    RECORD,
    Classifier,
    Labelled,
    Text,
    Training,
    encode,
    epoch_batches,
    hits,
    pooling_of,
    predict,
    save_classifier,
)
from nwh.ingest.training.document_classes import DocumentClasses, read_classes
from nwh.warehouse import Warehouse
from nwh.warehouse.errors import StorageError, UsageError, check_least
from nwh.warehouse.names import check_name, short_name
from nwh.warehouse.progress import SILENT, Progress
from nwh.warehouse.storage import resume_state
from nwh.warehouse.storage.runs import Run, Unit

SAVE_EVERY = 200  # steps between two points where a run can be resumed; the end of an epoch is one too
_READ = 1024  # documents tokenised at a time
_PREDICTED = 32  # texts of a batch without gradients


@dataclass(frozen=True)
class FineTuneSettings:
    """What a user can choose; see `nwh ingest fine-tune --help`.

    label: metadata key whose values are the classes. split: key whose values `train` (or `training`) and `test`
    say what a document is for; null for a random fifth to test on. max_tokens: special tokens included.
    min_documents: a value of fewer documents in the whole corpus is no class.
    """

    label: str
    split: str | None = None
    epochs: int = 5
    learning_rate: float = 1e-5
    dropout: float = 0.5
    batch_size: int = 8
    max_tokens: int = 128
    min_documents: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        check_least(self, epochs=1, batch_size=1, max_tokens=3, min_documents=1, seed=0)
        if not self.learning_rate > 0:
            raise UsageError(f"--learning-rate must be more than 0, not {self.learning_rate}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"--dropout must be at least 0 and less than 1, not {self.dropout}")


def fine_tune(
    warehouse: Warehouse,
    model: LoadedModel,
    corpus: str,
    name: str,
    settings: FineTuneSettings,
    *,
    out: Path | None = None,
    progress: Progress = SILENT,
) -> Run | None:
    """Train a classifier on a model and keep the model in it as model `name`; null where that is done already.

    A document's text is its sentences joined by blanks; see `training.classifier` for the model. `out` is the new
    model's folder (`models/NAME` in the warehouse unless given); it appears when the training is complete. The model
    given stays as it is. An interrupted training goes on from the last saved step and ends in the same weights.
    Raises UsageError before any work for an unknown corpus or key, fewer than two classes, no documents to train or
    test on, a name or folder that is taken; ModelError where the loss becomes NaN; BusyError where another process
    trains a model of this name.
    """
    if model.dtype != torch.float32:
        raise UsageError(f"a model is trained in float32: load {model.checkpoint.model} with it, not {model.dtype}")
    folder = (out or model_folder(warehouse, check_name("model", name))).expanduser().absolute()
    _, text_sha256 = corpus_text(warehouse, corpus)
    return _Job(warehouse, model, corpus, text_sha256, name, settings, folder, progress).run()


@dataclass(frozen=True)
class _Job:
    """One classifier."""

    warehouse: Warehouse
    model: LoadedModel
    corpus: str
    text_sha256: str
    name: str
    settings: FineTuneSettings
    out: Path
    progress: Progress

    @property
    def unit(self) -> Unit:
        return {"model": self.name, "checkpoint": "main"}

    @cached_property
    def described(self) -> dict[str, Any]:
        """All that decides the weights."""
        row = self.model.checkpoint
        return {
            **self.unit,
            "corpus": self.corpus,
            **asdict(self.settings),
            "pooling": pooling_of(self.model),
            "folder": str(self.out),
            "base": row.source,
            "base_checkpoint": row.checkpoint,
            "weights_sha256": row.weights_sha256,
            "text_sha256": self.text_sha256,
            "device": str(self.model.device),
        }

    def run(self) -> Run | None:
        """Train, or skip what is stored already."""
        if self._is_stored():
            self.progress.note(f"{self.name} is trained with these settings already; it is in {self.out}")
            return None
        if self.out.exists():
            self._check_folder()
        of = self.settings
        classes = read_classes(self.warehouse, self.corpus, of.label, of.split, of.min_documents, of.seed)
        with self.warehouse.run("fine-tune", self.unit, self.described, progress=self.progress) as run:
            run.versions |= model_versions(self.model)
            for note in classes.notes:
                run.note(note)
            # It is there already when an earlier run died between its appearance and the commit.
            if not self.out.exists():
                with appearing(self.out, "another folder with --out") as folder:
                    self._train(run, classes, folder)
            write_checkpoint(run, load(str(self.out), name=self.name, device="cpu", family=self.model.family))
            self._note_result(run)
        return run

    # -- what is there already --------------------------------------------------------------------------------

    def _is_stored(self) -> bool:
        """Return whether this very training is stored; UsageError where the name stands for something else."""
        found = self.warehouse.sql("select source from checkpoints where model = $1", [self.name]).fetchall()
        if not found:
            return False
        unit = self.warehouse.units.stored("fine-tune", self.unit)
        if unit is None:
            raise UsageError(f"model {self.name} is stored already, from {found[0][0]}: choose another name with --as")
        if differ := [name for name in self.described if unit.settings.get(name) != self.described[name]]:
            raise UsageError(
                f"model {self.name} is stored already, trained otherwise ({', '.join(differ)} differ): choose another "
                "name with --as"
            )
        if not self.out.exists():
            raise StorageError(
                f"model {self.name} is stored, but its folder {self.out} is gone: put it back, or train under another "
                "name with --as"
            )
        return True

    def _check_folder(self) -> None:
        """Raise UsageError unless the folder holds this very training."""
        try:
            record = json.loads((self.out / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            record = {}
        if record.get("settings") != self.described:
            raise UsageError(f"{self.out} is there and holds something else: name another folder with --out")

    # -- training ---------------------------------------------------------------------------------------------

    def _train(self, run: Run, classes: DocumentClasses, folder: Path) -> None:
        texts = self._read(run, {**classes.train, **classes.test})
        train = _labelled(texts, classes.train, classes)
        test = _labelled(texts, classes.test, classes)
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        # The caller's random numbers go on as if nothing had been drawn.
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.settings.seed)
            classifier = Classifier(self.model, len(classes.names), self.settings.dropout)
            losses = self._epochs(run, Training(classifier, self.settings.learning_rate), train)
        record = {
            "labels": classes.names,
            "several_labels": classes.several,
            "documents": {"train": len(train.texts), "test": len(test.texts)},
            "losses": losses,
            "micro_f1" if classes.several else "accuracy": self._score(classifier, test),
            "settings": self.described,
        }
        save_classifier(classifier, self.model.tokenizer, record, folder)

    def _read(self, run: Run, wanted: Mapping[str, Any]) -> dict[str, Text]:
        """Return the wanted documents' texts by doc_id, in the order of the corpus."""
        texts: dict[str, Text] = {}
        with self.warehouse.cursor() as cursor:
            cursor.execute(
                "select doc_id, string_agg(text, ' ' order by sentence_id) from sentences where corpus = $1 "
                "group by doc_id order by min(sentence_id)",
                [self.corpus],
            )
            while rows := cursor.fetchmany(_READ):
                chosen = [row for row in rows if row[0] in wanted]
                encoded = encode(self.model, [text for _, text in chosen], self.settings.max_tokens)
                texts |= {doc_id: text for (doc_id, _), text in zip(chosen, encoded, strict=True) if text.counted.any()}
        if left_out := len(wanted) - len(texts):
            run.note(f"{left_out:,} documents of {self.corpus} have no token for this model and were left out")
        return texts

    def _epochs(self, run: Run, training: Training, train: Labelled) -> list[float]:
        """Train and return the mean loss of each epoch."""
        settings, lengths = self.settings, np.array([len(text.ids) for text in train.texts])
        per_epoch = -(-len(lengths) // settings.batch_size)
        total = per_epoch * settings.epochs
        sums = [0.0] * settings.epochs  # of losses, times documents
        done = self._resume(run, training, sums, total)
        with self.progress.bar(f"train {self.name}", total, "steps", done) as bar:
            for epoch in range(done // per_epoch, settings.epochs):
                batches = epoch_batches(lengths, settings.batch_size, settings.seed, epoch)
                for at in range(done - epoch * per_epoch, per_epoch):
                    chosen, seed = batches[at], int(np.random.SeedSequence([settings.seed, done]).generate_state(1)[0])
                    with run.in_model():
                        loss = training.step([train.texts[i] for i in chosen], train.targets[chosen], seed)
                    sums[epoch] += loss * len(chosen)
                    done += 1
                    bar.advance(1)
                    if done % SAVE_EVERY == 0 or at + 1 == per_epoch:
                        resume_state.save(run, self.described, done, total, training.state(), losses=sums)
        return [value / len(lengths) for value in sums]

    def _resume(self, run: Run, training: Training, sums: list[float], total: int) -> int:
        """Take over what an interrupted run has staged; return the number of steps done."""
        found = resume_state.resume(run, self.described)
        if found is None:
            return 0
        training.restore(resume_state.load(run.storage, run.place))
        sums[:] = found["losses"]
        run.note(f"resumed run {found['run_id']} at step {found['done']:,} of {total:,}")
        return int(found["done"])

    def _score(self, classifier: Classifier, test: Labelled) -> float:
        """Return the accuracy on the test documents; micro-F1 where documents have several labels."""
        right = asked = 0
        with self.progress.bar(f"test {self.name}", len(test.texts), "documents") as bar:
            for chosen, logits in predict(classifier, test.texts, _PREDICTED):
                found = hits(logits, test.targets[chosen])
                right, asked = right + found[0], asked + found[1]
                bar.advance(len(chosen))
        return right / asked if asked else 0.0

    def _note_result(self, run: Run) -> None:
        # Of the folder, since an earlier run may have trained.
        record = json.loads((self.out / RECORD).read_text(encoding="utf-8"))
        documents, several = record["documents"], record["several_labels"]
        head = "sigmoid per label, documents have several" if several else "softmax, documents have one label"
        run.note(
            f"{len(record['labels'])} labels of {self.settings.label} ({head}); {documents['train']:,} documents to "
            f"train on, {documents['test']:,} to test on"
        )
        run.note(f"mean loss by epoch: {', '.join(f'{loss:.4f}' for loss in record['losses'])}")
        measure = "micro-F1" if several else "accuracy"
        run.note(f"{measure} on the test documents: {record[measure.lower().replace('-', '_')]:.4f}")
        also = "" if short_name(str(self.out)) == self.name else f", and call it {self.name} with --as"
        run.note(f"{self.name} is in {self.out}: take it as a MODEL{also}")


def _labelled(texts: Mapping[str, Text], documents: Mapping[str, Sequence[int]], classes: DocumentClasses) -> Labelled:
    chosen = [doc_id for doc_id in texts if doc_id in documents]
    if classes.several:
        targets = torch.zeros(len(chosen), len(classes.names))
        for row, doc_id in zip(targets, chosen, strict=True):
            row[list(documents[doc_id])] = 1.0
    else:
        targets = torch.tensor([documents[doc_id][0] for doc_id in chosen])
    return Labelled([texts[doc_id] for doc_id in chosen], targets)
