"""What is said in words of neurons, and how well that tells their sentences from others."""

from nwh.warehouse.schema.relation import CHECKPOINT, LAYER, MODEL, NEURON, SENTENCE_ID, SITE, Column, Relation, shared

_EXPLANATION = (MODEL, CHECKPOINT, SITE, shared("source", "text"), LAYER, NEURON, shared("place", "smallint"))
_UNIT = ("model", "checkpoint", "site", "source")

EXPLANATIONS = Relation(
    "explanations",
    "neuron x source x place, of the neurons that its run was asked for; none where all top sentences tie",
    (*_UNIT, "layer", "neuron", "place"),
    (
        *_EXPLANATION,
        shared("explanation", "text"),
        shared("explainer", "text", True, dictionary=True),
        shared("method", "text", True, dictionary=True),
        Column(
            "scope",
            "text",
            "corpora whose sentences it was made of or judged on: their sorted names joined by `+`; null without",
            True,
            dictionary=True,
        ),
        Column(
            "examples",
            "bigint[]",
            "sentences of the first half (hash of the id) that it was made of, the strongest first; null for those of "
            "a file",
            True,
        ),
        Column(
            "prompt",
            "text",
            "what the chat model was asked, with {sentences} and {others} where sentences stood; null without one",
            True,
            dictionary=True,
        ),
        shared("published_score", "double", True),
        shared("published_score_kind", "text", True, dictionary=True),
    ),
    _UNIT,
)

EXPLANATION_JUDGEMENTS = Relation(
    "explanation_judgements",
    "explanation x sentence of the second half x whose explanation the judge was given",
    (*_UNIT, "layer", "neuron", "place", "whose", "sentence_id"),
    (
        *_EXPLANATION,
        Column(
            "whose",
            "text",
            "`own`: the neuron's; `shuffled`: that of another neuron of the layer, as a control",
            dictionary=True,
        ),
        SENTENCE_ID,
        Column("is_top", "smallint", "1 for a top sentence of the neuron, 0 for one drawn among those that are not"),
        shared("judge", "text", dictionary=True),
        Column(
            "score",
            "double",
            "how much the judge takes the sentence to fit, 0 to 1: a chat model's probability of Yes against No; of "
            "`words` the share of the explanation's words that the sentence has, each weighted by how rare it is",
        ),
        Column(
            "verdict",
            "smallint",
            "1 where it fits: a probability above 0.5; of `words` a share above that of the average sentence",
        ),
    ),
    _UNIT,
    (("sentence_id", "sentences.sentence_id"),),
    ("score",),
)

RELATIONS = (EXPLANATIONS, EXPLANATION_JUDGEMENTS)
