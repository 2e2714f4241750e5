"""A corpus of documents whose words tell their topic, some to train and some to test on."""

from __future__ import annotations

from random import Random

from nwh.ingest.text.corpus import ingest_corpus
from nwh.ingest.text.documents import Document
from nwh.warehouse import Warehouse
from tests.conftest import WORDS

TOPICS = {"animals": ["cat", "dog", "bird"], "places": ["tree", "river"], "people": ["king"]}


def documents(n=60, several=False, seed=0):
    """Return documents whose words tell their topic; every fourth is to test on, some have no or a rare topic."""
    random, found = Random(seed), []
    telling = {word for words in TOPICS.values() for word in words}
    plain = [word for word in WORDS if word not in telling]
    for i in range(n):
        topics = random.sample(sorted(TOPICS), 2 if several and i % 3 == 0 else 1)
        words = [
            random.choice(TOPICS[topic] if random.random() < 0.95 else plain)
            for topic in topics
            for _ in range(random.randint(3, 6))
        ]
        text = f"{' '.join(words[:3]).capitalize()}. A {' '.join(words[3:])}."
        part = "Test" if i % 4 == 3 else random.choice(["train", "TRAINING"])
        found.append(Document(f"d{i}", text, (*(("topic", topic) for topic in topics), ("split", part))))
    found.append(Document("unlabelled", "The cat sees. The dog sees.", (("split", "train"),)))
    found.append(Document("rare", "The cat sees. The dog sees.", (("topic", "rare"), ("split", "train"))))
    found.append(Document("unused", "The cat sees. The dog sees.", (("topic", "animals"), ("split", "neither"))))
    return found


def make(place, **arguments):
    made = Warehouse.create(place)
    ingest_corpus(made, "one", "written here", lambda: documents(**arguments))
    return made
