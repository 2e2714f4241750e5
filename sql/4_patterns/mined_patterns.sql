-- Patterns chosen on the first half of the sentences, as their held-out AUROC needs: whoever ranks or filters patterns
-- beside that figure does so by mined_lift, mined_g2 and mined_q_value, or noise would seem to hold. Rows of a version
-- that chose on all sentences have those figures of all sentences, and no held-out AUROC.
-- grain: neuron x kind x pole x pattern frequent in the first half, per model, checkpoint, site and scope
-- columns: model, checkpoint, site, scope, layer, neuron, kind, pole, pattern, pattern_text, length, support, k,
--   corpus_support, n_sentences, lift, g2, p_value
-- q_value: Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole
-- columns: mined_support, mined_lift, mined_g2, mined_q_value, heldout_auroc
create view mined_patterns as
select
    model,
    checkpoint,
    site,
    scope,
    layer,
    neuron,
    kind,
    pole,
    pattern,
    pattern_text,
    length,
    support,
    k,
    corpus_support,
    n_sentences,
    lift,
    g2,
    p_value,
    q_value,
    mined_support,
    case when mined_k is null then lift::float else mined_lift end as mined_lift,
    case when mined_k is null then g2::float else mined_g2 end as mined_g2,
    case when mined_k is null then q_value::float else mined_q_value end as mined_q_value,
    case when mined_k is not null then heldout_auroc end as heldout_auroc
from neuron_patterns
where mined_k is null or mined_q_value is not null;
