"""Prompts, what each feed-forward neuron contributes to an answer, and what changing neurons does."""

from dataclasses import replace

from nwh.warehouse.schema.relation import (
    ANSWER_LAYER,
    ANSWER_NEURON,
    CHECKPOINT,
    CONCEPT,
    CORPUS,
    DATASET,
    MODEL,
    OF_DATASET,
    PROMPT_ID,
    Column,
    Relation,
    shared,
)

RULE = shared("rule", "text", dictionary=True)
ONE_RULE = Column(
    "rule",
    "text",
    f"{RULE.description}; null where version 1 or 2 stored one rule, until `nwh upgrade`: the macros know which",
    True,
    "null::text",
    True,
)

PROMPTS = Relation(
    "prompts",
    "prompt",
    ("dataset", "prompt_id"),
    (
        Column("prompt_id", "bigint", "21 bits of the data set name's hash, then 32 bits: place in the data set"),
        DATASET,
        Column("objective", "text", "`mlm`: the text holds [MASK]; `clm`: the text ends before the answer"),
        CONCEPT,
        Column("text", "text", "the prompt, independent of any tokenizer"),
        Column("answer", "text", "what stands in the place of [MASK], or follows"),
        Column("fact_id", "text", "prompts that ask for the same fact share it: templates, paraphrases"),
        Column("paraphrase_of", "bigint", "prompt_id of the original, null unless a paraphrase", True),
        Column(
            "subject",
            "text",
            "what the fact is about, which with the answer makes it; null where the file does not say",
            True,
            "null::text",
            True,
        ),
    ),
    ("dataset",),
)

CONCEPTS = Relation(
    "concepts",
    "concept of a data set",
    ("dataset", "concept"),
    (
        DATASET,
        CONCEPT,
        Column("n_prompts", "integer", "prompts whose answer it is, paraphrases included"),
        shared("frequency", "double", True),
        shared("frequency_source", "text", True),
    ),
    ("dataset",),
)

CONCEPT_COUNTS = Relation(
    "concept_counts",
    "concept of a data set, per corpus",
    ("dataset", "corpus", "concept"),
    (
        DATASET,
        CORPUS,
        CONCEPT,
        Column("n_sentences", "integer", "sentences of the corpus that hold the concept, as whole words in any case"),
    ),
    ("dataset", "corpus"),
    (("corpus", "corpora.corpus"),),
)

FACT_COUNTS = Relation(
    "fact_counts",
    "fact whose subject is known, per corpus",
    ("dataset", "corpus", "fact_id", "concept", "subject", "answer"),
    (
        DATASET,
        CORPUS,
        Column("fact_id", "text", "`prompts.fact_id`"),
        CONCEPT,
        Column("subject", "text", "`prompts.subject`"),
        Column("answer", "text", "`prompts.answer`"),
        Column("n_sentences", "integer", "sentences of the corpus that hold subject and answer, neither in the other"),
    ),
    ("dataset", "corpus"),
    (("corpus", "corpora.corpus"),),
)

PROMPT_SCORES = Relation(
    "prompt_scores",
    "prompt x checkpoint",
    ("model", "checkpoint", "dataset", "prompt_id"),
    (
        *OF_DATASET,
        PROMPT_ID,
        Column("probability", "double", "of the answer at the answer position (several tokens: their product)"),
        Column("rank", "integer", "of the answer's first token in the vocabulary; 1 is the most probable"),
    ),
    ("model", "checkpoint", "dataset"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("probability",),
)

ATTRIBUTIONS = Relation(
    "attributions",
    "prompt x rule x neuron kept",
    ("model", "checkpoint", "dataset", "rule", "prompt_id", "layer", "neuron"),
    (
        *OF_DATASET,
        ONE_RULE,
        PROMPT_ID,
        CONCEPT,
        ANSWER_LAYER,
        ANSWER_NEURON,
        Column(
            "attribution", "float", "knowledge attribution, in probability; at least 5 % of the prompt's highest by it"
        ),
    ),
    ("model", "checkpoint", "dataset"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("attribution",),
)

ATTRIBUTION_QUALITY = Relation(
    "attribution_quality",
    "prompt x rule x layer",
    ("model", "checkpoint", "dataset", "rule", "prompt_id", "layer"),
    (
        *OF_DATASET,
        RULE,
        PROMPT_ID,
        ANSWER_LAYER,
        Column("evaluations", "integer", "gradients taken per layer; one that serves all layers counts for each"),
        Column("max_attribution", "float", "highest of the layer's neurons"),
        Column(
            "completeness_error",
            "float",
            "|sum of the layer's attributions - (P(w) - P(baseline))|, in probability (tolerance: in the run's "
            "settings); P at the rule's own points, but of the shortest and longest prompt of 128 by the model's own "
            "forward pass; null for rules that are no integral",
            True,
        ),
    ),
    ("model", "checkpoint", "dataset"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("max_attribution", "completeness_error"),
)

INTERVENTIONS = Relation(
    "interventions",
    "prompt of a concept x operation x rule x arm",
    ("model", "checkpoint", "dataset", "operation", "rule", "concept", "prompt_id", "arm"),
    (
        *OF_DATASET,
        replace(ONE_RULE, description=f"that selected the neurons; {ONE_RULE.description}"),
        Column("concept", "text", "concept whose contributing neurons were changed"),
        PROMPT_ID,
        shared("polarity", "text"),
        shared("operation", "text"),
        shared("arm", "text"),
        Column("n_neurons", "integer", "neurons changed at the answer position"),
        Column("t", "double", "threshold of the selection: share of the prompt's highest attribution"),
        Column("p", "double", "threshold of the selection: share of the concept's prompts"),
        Column("p_before", "double", "probability of the prompt's answer, untouched"),
        Column("p_after", "double", "probability of the prompt's answer with the neurons changed"),
        Column("rank_before", "integer", "rank of the prompt's answer in the vocabulary, from 1, untouched"),
        Column("rank_after", "integer", "rank of the prompt's answer with the neurons changed"),
    ),
    ("model", "checkpoint", "dataset", "operation"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("p_before", "p_after"),
)

ABLATIONS = Relation(
    "ablations",
    "prompt x rule x neuron ablated",
    ("model", "checkpoint", "dataset", "prompt_id", "rule", "layer", "neuron"),
    (
        *OF_DATASET,
        PROMPT_ID,
        CONCEPT,
        RULE,
        ANSWER_LAYER,
        ANSWER_NEURON,
        Column("attribution", "float", "what the rule says of the neuron, however low, in probability"),
        Column(
            "effect",
            "float",
            "P - P with this neuron alone at the attributions' baseline: what the rules estimate, the same for each",
        ),
    ),
    ("model", "checkpoint", "dataset"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("attribution", "effect"),
)

FAITHFULNESS = Relation(
    "faithfulness",
    "prompt x rule x set of neurons that was kept alone, or removed alone",
    ("model", "checkpoint", "dataset", "prompt_id", "rule", "selection", "arm", "kept", "n_neurons"),
    (
        *OF_DATASET,
        PROMPT_ID,
        CONCEPT,
        RULE,
        shared("selection", "text"),
        shared("arm", "text"),
        shared("kept", "boolean"),
        Column("n_neurons", "integer", "neurons of the set, of all layers; of `prompt` from 0 to all there are"),
        Column("probability", "float", "of the answer, with the others (or these) at the attributions' baseline"),
    ),
    ("model", "checkpoint", "dataset"),
    (("prompt_id", "prompts.prompt_id"), ("model", "checkpoints.model")),
    ("probability",),
)

SIDE_EFFECTS = Relation(
    "side_effects",
    "concept x arm, per corpus",
    ("model", "checkpoint", "dataset", "corpus", "concept", "arm"),
    (
        *OF_DATASET,
        CORPUS,
        RULE,
        Column("concept", "text", "concept whose neurons were set to zero"),
        shared("arm", "text"),
        Column("n_neurons", "integer", "neurons set to zero, where a token of the sentence is predicted"),
        Column("n_sentences", "integer", "sentences, of which one token each is asked for"),
        Column("kl", "double", "mean over sentences of KL(before || after) of what is predicted, in nats"),
        Column("loss_before", "double", "mean of -ln of the token's probability, untouched, in nats"),
        Column("loss_after", "double", "the same with the neurons at zero"),
    ),
    ("model", "checkpoint", "dataset", "corpus"),
    (("corpus", "corpora.corpus"), ("model", "checkpoints.model")),
    ("kl", "loss_before", "loss_after"),
)

PUBLISHED_NEURONS = Relation(
    "published_neurons",
    "concept x neuron that others selected",
    ("model", "checkpoint", "dataset", "concept", "layer", "neuron"),
    (
        MODEL,
        CHECKPOINT,
        Column("dataset", "text", "name given to the published lists"),
        Column("concept", "text", "identifier of the fact or concept in the publication"),
        ANSWER_LAYER,
        ANSWER_NEURON,
    ),
    ("model", "checkpoint", "dataset"),
)

OF_PROMPTS = (PROMPTS, CONCEPTS, CONCEPT_COUNTS, FACT_COUNTS, PROMPT_SCORES)
OF_NEURONS = (ATTRIBUTIONS, ATTRIBUTION_QUALITY, INTERVENTIONS, ABLATIONS, FAITHFULNESS, SIDE_EFFECTS)
RELATIONS = (*OF_PROMPTS, *OF_NEURONS, PUBLISHED_NEURONS)
