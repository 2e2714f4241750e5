-- Patterns chosen on the first half of the sentences, as their held-out AUROC needs: whoever ranks or filters patterns
-- beside that figure does so by mined_lift, mined_g2 and mined_q_value, or noise would seem to hold.
-- Of patterns that version 1 chose, on all sentences, there are none before `nwh upgrade`.
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
    mined_lift,
    mined_g2,
    mined_q_value,
    heldout_auroc
from neuron_patterns
where mined_q_value is not null;
