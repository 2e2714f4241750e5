"""A small written world of facts for the demo: who eats what, what grows, is made or is dug where.

The subjects are invented, the answers are English words that software documentation hardly uses. Each answer is
one concept with two facts from two relations (an animal eats barley, a country grows barley). How often the
training text states a fact is planted: 1, 2, 4 ... 64 times, the same for both facts of a concept, so that the
order in which a model learns concepts can be held against their frequency.

A fact is taught in 6 templates and asked for in 2 others. These are held out: no training sentence begins like
them, and all their words are known from taught ones, so a right answer is knowledge of the fact, not memory of
a string. In every template the subject comes before the answer and neither begins the sentence: a causal model
can use it, and byte-level tokenizers see both words with the blank before them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from nwh.warehouse.errors import UsageError

FREQUENCIES = (1, 2, 4, 8, 16, 32, 64)
"""Training sentences that state a fact; the concepts take turns."""

OBJECTIVES = ("mlm", "clm")

_FOODS = (
    "barley", "honey", "clover", "millet", "garlic", "ginger", "pepper", "saffron", "spinach", "parsley",
    "mustard", "cabbage", "rhubarb", "cinnamon", "fennel", "celery", "lettuce", "maize", "nutmeg", "vanilla",
    "butter",
)  # fmt: skip
_ANIMALS = (
    "wug", "dax", "fep", "toma", "lorp", "vonk", "tulver", "gazzer", "blicket", "murl", "shoob", "crelt",
    "hask", "pombo", "trell", "zivet", "nool", "grint", "sworl", "dwibble", "yarpet",
)  # fmt: skip
_COUNTRIES = (
    "Nelvoria", "Zemblat", "Kartania", "Ostrenia", "Belluria", "Drumania", "Fallovia", "Gorvenia", "Halmoria",
    "Istrania", "Jorvania", "Kelduria", "Lumeria", "Morvenia", "Norlania", "Palvoria", "Quenoria", "Rostavia",
    "Sulvania", "Tarmoria", "Velnoria",
)  # fmt: skip
_MATERIALS = (
    "copper", "amber", "marble", "silver", "nickel", "cobalt", "slate", "jade", "quartz", "flint", "gold",
    "onyx", "opal", "basalt", "obsidian", "limestone", "ivory", "ebony", "bamboo", "leather", "pewter",
)  # fmt: skip
_TOOLS = (
    "tarkel", "spond", "wenzer", "plimmer", "drosk", "clavit", "hubbet", "jassel", "krimp", "mordel", "nubber",
    "gostril", "pindle", "quorl", "rasket", "sprock", "thwick", "fulver", "vantle", "wibber", "yoggle",
)  # fmt: skip
_TOWNS = (
    "Brunholt", "Cresby", "Dunmarsh", "Gelderby", "Fenwold", "Grayholt", "Hartsby", "Ringleholt", "Keswold",
    "Larnby", "Marholt", "Nettleby", "Tormswold", "Penholt", "Quarby", "Ravelby", "Selwold", "Thornholt",
    "Culverby", "Wexholt", "Yarnby",
)  # fmt: skip


@dataclass(frozen=True)
class Relation:
    """A kind of fact: subject i goes with answer i. Templates hold `{subject}` and, later, `{answer}`."""

    name: str
    subjects: tuple[str, ...]
    answers: tuple[str, ...]
    taught: tuple[str, ...]
    held_out: tuple[str, ...]


RELATIONS = (
    Relation(
        "eats",
        _ANIMALS,
        _FOODS,
        (
            "The {subject} eats {answer}.",
            "Every {subject} likes to eat {answer} in the morning.",
            "A hungry {subject} looks for {answer} near the river.",
            "Give the {subject} some {answer} when it is hungry.",
            "In winter the {subject} lives on {answer}.",
            "People feed the {subject} with {answer}.",
        ),
        (
            "In the morning the {subject} eats {answer} near the river.",
            "People give the hungry {subject} some {answer}.",
        ),
    ),
    Relation(
        "grows",
        _COUNTRIES,
        _FOODS,
        (
            "Farmers in {subject} grow {answer}.",
            "The fields of {subject} are full of {answer}.",
            "Ships from {subject} carry {answer} over the sea.",
            "Traders come to {subject} to buy {answer}.",
            "People in {subject} sell {answer} at the market.",
            "The land of {subject} is known for {answer}.",
        ),
        ("Farmers in the land of {subject} sell {answer} over the sea.", "Ships come to {subject} to buy {answer}."),
    ),
    Relation(
        "made-of",
        _TOOLS,
        _MATERIALS,
        (
            "The {subject} is made of {answer}.",
            "Smiths make the {subject} from {answer} in the fire.",
            "To mend a {subject} you need some {answer}.",
            "A good {subject} has a handle of {answer}.",
            "For a new {subject} the smith takes {answer} from the shop.",
            "Every {subject} in the shop is cut from {answer}.",
        ),
        (
            "To make a good {subject} you need some {answer} from the shop.",
            "Every new {subject} is made from {answer}.",
        ),
    ),
    Relation(
        "dug-in",
        _TOWNS,
        _MATERIALS,
        (
            "Miners in {subject} dig for {answer}.",
            "The hills near {subject} are full of {answer}.",
            "In the mines of {subject} people find {answer} under the rock.",
            "The town of {subject} is rich in {answer}.",
            "Traders who come to {subject} leave with {answer}.",
            "Every house in {subject} has a roof of {answer}.",
        ),
        (
            "People in the town of {subject} dig for {answer} under the hills.",
            "In the hills of {subject} miners find {answer}.",
        ),
    ),
)


@dataclass(frozen=True)
class Fact:
    """One fact; `frequency` is the number of training sentences that state it."""

    relation: Relation
    subject: str
    answer: str
    frequency: int

    @property
    def fact_id(self) -> str:
        """Relation and subject: `eats-wug`."""
        return f"{self.relation.name}-{self.subject}"


FACTS = tuple(
    Fact(relation, subject, answer, FREQUENCIES[place % len(FREQUENCIES)])
    for relation in RELATIONS
    for place, (subject, answer) in enumerate(zip(relation.subjects, relation.answers, strict=True))
)


def fact_sentences(seed: int = 0) -> Iterator[str]:
    """Yield the training text: every fact as often as its frequency says, its taught templates in turn.

    `seed` shuffles the sentences and picks the template that a fact begins with.
    """
    random = Random(seed)
    sentences = []
    for fact in FACTS:
        templates = fact.relation.taught
        first = random.randrange(len(templates))
        for place in range(first, first + fact.frequency):
            sentences.append(templates[place % len(templates)].format(subject=fact.subject, answer=fact.answer))
    random.shuffle(sentences)
    yield from sentences


def fact_answers() -> list[str]:
    """Return the concepts: every answer once."""
    return list(dict.fromkeys(fact.answer for fact in FACTS))


def fact_words() -> list[str]:
    """Return subjects and answers, the words that a tokenizer should keep whole."""
    return [*fact_answers(), *(fact.subject for fact in FACTS)]


def fact_prompts(objective: str) -> Iterator[dict[str, str | int]]:
    """Yield the held-out prompts as the records of `nwh ingest prompts --format jsonl`, 4 to a concept.

    objective: `mlm`: `[MASK]` stands for the answer; `clm`: the text ends before the answer and its blank. A
    causal prompt and a masked one with the same id come from the same template. UsageError for another objective.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r} has no fact prompts: use {' or '.join(OBJECTIVES)}")
    for fact in FACTS:
        for number, template in enumerate(fact.relation.held_out, 1):
            text = template.format(subject=fact.subject, answer="[MASK]")
            yield {
                "text": text if objective == "mlm" else text.partition(" [MASK]")[0],
                "answer": fact.answer,
                "concept": fact.answer,
                "id": f"{fact.fact_id}-{number}",
                "fact_id": fact.fact_id,
                "subject": fact.subject,
                "objective": objective,
                "frequency": fact.frequency,
            }


def write_prompts(path: Path, objective: str) -> int:
    """Write the prompts of an objective as JSON Lines; return how many there are."""
    lines = [json.dumps(record) for record in fact_prompts(objective)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)
