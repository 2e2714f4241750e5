-- Patterns chosen on the first half of the sentences, as their held-out AUROC needs: whoever ranks or filters patterns
-- beside that figure does so by mined_lift, mined_g2 and mined_q_value, or noise would seem to hold.
-- Of patterns that version 1 chose, on all sentences, there are none before `nwh upgrade`.
-- grain: neuron x kind x pole x pattern frequent in the first half, per model, checkpoint, site and scope
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- scope: corpora the patterns are from
-- layer: block, from 0
-- neuron: dimension, from 0
-- kind: word, tag or tree
-- pole: top or bottom
-- pattern: the pattern
-- pattern_text: its items joined by blanks
-- length: its items (trees: nodes)
-- support: sentences of the pole with it
-- k: sentences of the pole
-- corpus_support: sentences of the scope with it
-- n_sentences: sentences of the scope
-- lift: (support / k) / (corpus_support / n_sentences)
-- g2: log-likelihood ratio
-- p_value: of g2
-- q_value: Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole
-- mined_support: sentences of the pole's first half with it
-- mined_lift: lift in the first half
-- mined_g2: log-likelihood ratio in the first half
-- mined_q_value: q-value in the first half, over the patterns frequent there
-- heldout_auroc: how well it tells the pole's sentences from others in the second half, which had no part in choosing
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
