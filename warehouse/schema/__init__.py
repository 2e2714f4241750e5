"""The schema in one place: jobs are checked against it when they write, readers get their views from it.

`nwh docs` prints it. One module per subject.
"""

from nwh.warehouse.schema.comparison import (
    CHECKPOINT_DISTANCES,
    LAYER_CLUSTERS,
    LAYER_DISTANCES,
    NEURON_CLUSTERS,
    NEURON_DISTANCES,
    NEURON_MATCHES,
)
from nwh.warehouse.schema.explanations import EXPLANATION_JUDGEMENTS, EXPLANATIONS
from nwh.warehouse.schema.knowledge import (
    ABLATIONS,
    ATTRIBUTION_QUALITY,
    ATTRIBUTIONS,
    CONCEPT_COUNTS,
    CONCEPTS,
    FACT_COUNTS,
    FAITHFULNESS,
    INTERVENTIONS,
    PROMPT_SCORES,
    PROMPTS,
    PUBLISHED_NEURONS,
    SIDE_EFFECTS,
)
from nwh.warehouse.schema.neurons import (
    ACTIVATION_SAMPLE,
    CHECKPOINTS,
    NEURON_PATTERNS,
    NEURON_STATS,
    NEURON_TOPK,
    SENTENCE_TOKENS,
)
from nwh.warehouse.schema.profiles import (
    CORPUS_VOCABULARY,
    NEURON_METADATA,
    NEURON_PROFILES,
    NEURON_SAMPLES,
    NEURON_TAG_DISTRIBUTION,
    NEURON_WORDS,
)
from nwh.warehouse.schema.relation import Column, Relation
from nwh.warehouse.schema.runs import RUNS
from nwh.warehouse.schema.text import ANNOTATIONS, CORPORA, SENTENCE_METADATA, SENTENCES
from nwh.warehouse.schema.weights import NEURON_WEIGHTS

__all__ = ["RELATIONS", "RUNS", "SCHEMA_VERSION", "Column", "Relation"]

SCHEMA_VERSION = 3
"""Of the relations and what is stored in them; a warehouse says its own, 1 where it says none. Whoever raises it says
in `ingest/upgrade.py` how a warehouse gets there."""

RELATIONS: dict[str, Relation] = {
    relation.name: relation
    for relation in (
        RUNS,
        CHECKPOINTS,
        CORPORA,
        SENTENCES,
        SENTENCE_METADATA,
        SENTENCE_TOKENS,
        NEURON_TOPK,
        NEURON_STATS,
        ACTIVATION_SAMPLE,
        ANNOTATIONS,
        NEURON_PROFILES,
        NEURON_SAMPLES,
        NEURON_METADATA,
        NEURON_WORDS,
        NEURON_TAG_DISTRIBUTION,
        CORPUS_VOCABULARY,
        NEURON_PATTERNS,
        EXPLANATIONS,
        EXPLANATION_JUDGEMENTS,
        NEURON_WEIGHTS,
        LAYER_CLUSTERS,
        NEURON_CLUSTERS,
        NEURON_MATCHES,
        CHECKPOINT_DISTANCES,
        LAYER_DISTANCES,
        NEURON_DISTANCES,
        PROMPTS,
        CONCEPTS,
        CONCEPT_COUNTS,
        FACT_COUNTS,
        PROMPT_SCORES,
        ATTRIBUTIONS,
        ATTRIBUTION_QUALITY,
        INTERVENTIONS,
        ABLATIONS,
        FAITHFULNESS,
        SIDE_EFFECTS,
        PUBLISHED_NEURONS,
    )
}
