"""Explanations that others published: the files of Neuronpedia's exports and of OpenAI's neuron explainer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nwh.ingest.text.formats.lines import COMPRESSED, opened, uncompressed
from nwh.warehouse.errors import SourceError, UsageError

_ENDINGS = (".json", ".jsonl")
_FORMS = (
    "Neuronpedia's explanations (modelId, layer, index, description; one per line, or a list) and OpenAI's "
    "(neuron_id, scored_explanations) are read"
)
_LAYER = re.compile(r"(\d+)(?:-(.+))?")
NEURON_SETS = (None, "mlp", "neurons", "ffn", "hidden", "nwh-ffn", "nwh-hidden")
"""What may follow the layer in Neuronpedia's names of sources of neurons: others are features of autoencoders."""


@dataclass(frozen=True)
class Published:
    """One explanation of a file. score, with its kind: null where the file has none."""

    layer: int
    neuron: int
    explanation: str
    explainer: str | None
    method: str | None
    score: float | None
    score_kind: str | None


def read_published(source: str) -> tuple[str, list[Published]]:
    """Return whose form a file has (`neuronpedia`, `openai`) and its explanations, by layer and neuron, in its order.

    source: a file of JSON or JSON Lines, compressed or not, or a folder of such files. UsageError where there is none;
    SourceError, naming the file and line, for another form and for features of an autoencoder.
    """
    path = Path(source)
    if not path.exists():
        raise UsageError(f"file {source!r} does not exist")
    files = sorted(each for each in path.rglob("*") if _is_json(each)) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"folder {source!r} holds no file that ends in .json or .jsonl, compressed or not")
    found: list[Published] = []
    forms: set[str] = set()
    for file in files:
        for where, record in _records(file):
            try:
                form, some = _read(record)
            except SourceError as error:
                raise SourceError(f"{where}: {error}") from error
            except (LookupError, TypeError, ValueError) as error:
                raise SourceError(f"{where} is not an explanation ({type(error).__name__}: {error}); {_FORMS}") from (
                    error
                )
            forms.add(form)
            found += some
    if len(forms) > 1:
        raise SourceError(f"{source} holds both Neuronpedia's and OpenAI's explanations: read them one by one")
    if not found:
        raise SourceError(f"{source} holds no explanations; {_FORMS}")
    return forms.pop(), sorted(found, key=lambda each: (each.layer, each.neuron))


def _is_json(path: Path) -> bool:
    plain = uncompressed(path)
    return path.is_file() and plain.suffix in _ENDINGS and path.suffix.lower() in (*COMPRESSED, *_ENDINGS)


def _records(file: Path) -> Iterator[tuple[str, Any]]:
    """Yield where each record of a file stands, and the record."""
    with opened(file) as stream:
        content = stream.read()
    try:
        whole = json.loads(content)
    except ValueError:
        for number, line in enumerate(content.splitlines(), 1):
            if line.strip():
                try:
                    yield f"{file}, line {number}", json.loads(line)
                except ValueError as error:
                    raise SourceError(f"{file}, line {number} is not JSON ({error}); {_FORMS}") from error
        return
    for i, record in enumerate(whole if isinstance(whole, list) else [whole]):
        yield f"{file}, record {i}" if isinstance(whole, list) else str(file), record


def _read(record: dict[str, Any]) -> tuple[str, list[Published]]:
    if "scored_explanations" in record:
        place = record["neuron_id"]
        layer, neuron = _number(place["layer_index"]), _number(place["neuron_index"])
        return "openai", [_openai(layer, neuron, each) for each in record["scored_explanations"]]
    if "explanations" in record:  # a feature of the API, with its explanations
        place = {name: record[name] for name in ("layer", "index")}
        return "neuronpedia", [_neuronpedia({**place, **each}) for each in record["explanations"]]
    return "neuronpedia", [_neuronpedia(record)]


def _openai(layer: int, neuron: int, found: dict[str, Any]) -> Published:
    score = (found.get("scored_simulation") or {}).get("ev_correlation_score")
    kind = None if score is None else "ev_correlation_score"
    return Published(layer, neuron, str(found["explanation"]).strip(), None, None, _score(score), kind)


def _neuronpedia(found: dict[str, Any]) -> Published:
    layer = _LAYER.fullmatch(str(found["layer"]))
    if not layer or layer[2] not in NEURON_SETS:
        raise SourceError(
            f"layer {found['layer']!r} is no layer of neurons but of features of an autoencoder or another model part: "
            "neurons have a number, or one with -mlp after it"
        )
    scores = [each for each in found.get("scores") or [] if each.get("value") is not None]
    score = scores[0] if scores else {}
    return Published(
        int(layer[1]),
        _number(found["index"]),
        str(found["description"]).strip(),
        found.get("explanationModelName"),
        found.get("typeName"),
        _score(score.get("value")),
        score.get("explanationScoreTypeName"),
    )


def _number(value: Any) -> int:
    number = int(value)
    if not 0 <= number < 2**31:
        raise ValueError(f"{value} is not a layer or neuron, counted from 0")
    return number


def _score(value: Any) -> float | None:
    score = None if value is None else float(value)
    return score if score == score else None  # OpenAI's files hold NaN
