-- Patterns chosen on the first half of the sentences, as their held-out AUROC needs: whoever ranks or filters patterns
-- beside that figure does so by mined_lift, mined_g2 and mined_q_value, or noise would seem to hold.
-- Of patterns that version 1 chose, on all sentences, there are none before `nwh upgrade`.
-- grain: neuron x kind x pole x pattern frequent in the first half, per model, checkpoint, site and scope
-- columns: model, checkpoint, site, scope, layer, neuron, kind, pole, pattern, pattern_text, length, support, k,
--   corpus_support, n_sentences, lift, g2, p_value
-- q_value: Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole
-- columns: mined_support, mined_lift, mined_g2, mined_q_value, heldout_auroc, auroc, sample_support, n_sampled
-- recall: support / corpus_support
-- heldout_share: share of the pole's sentences of the other half, which had no part in choosing, that have it
-- heldout_others_share: share of the other sentences of that half that have it
-- columns: auroc_low, auroc_high
create view mined_patterns as
select
    * exclude (mined_k, annotator),
    support / corpus_support as recall,
    (support - mined_support) / nullif(k - mined_k, 0) as heldout_share,
    -- what is left of the area, which is (1 + share - others' share) / 2
    case
        when heldout_auroc is not null
            then greatest(0, 1 + (support - mined_support) / nullif(k - mined_k, 0) - 2 * heldout_auroc)
    end as heldout_others_share,
    auroc_bound(auroc, sample_support, n_sampled - sample_support, -1.96) as auroc_low,
    auroc_bound(auroc, sample_support, n_sampled - sample_support, 1.96) as auroc_high
from neuron_patterns
where mined_q_value is not null;
