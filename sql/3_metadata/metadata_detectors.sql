-- Neurons as detectors of metadata values. Of the stored top (bottom) sentences of the corpus, exactly: `share` have
-- the value (precision), which are the share `recall` of all that have it. Of all sentences, by the sample: the AUROC
-- of the activation, which says whether the neuron tells the value's sentences from others beyond its top ones.
-- Bounds are of a confidence of 95 %, as if sentences were independent of one another: Wilson's score interval of
-- shares, Newcombe's of the AUROC. The corpus is taken as drawn from more text of its kind.
-- grain: neuron x pole x key x value as in neuron_metadata, with a support above 0
-- columns: model, checkpoint, site, corpus, layer, neuron, pole, key
-- value: its value
-- columns: support, documents, k
-- place: of the value among those of its key, from 1, by support; ties: in their order
-- share: support / k
-- columns: corpus_support, n_sentences
-- corpus_share: corpus_support / n_sentences
-- columns: lift, g2, p_value
-- q_value: Benjamini-Hochberg over all values of all keys of the corpus, per neuron and pole
-- columns: auroc, sample_support, n_sampled, auroc_low, auroc_high
-- share_low: lower bound of share
-- share_high: upper bound of share
-- recall: support / corpus_support
-- recall_low: lower bound of recall
-- recall_high: upper bound of recall
create view metadata_detectors as
select
    * exclude (n_tested),
    wilson_bound(support, k, -1.96) as share_low,
    wilson_bound(support, k, 1.96) as share_high,
    support / corpus_support as recall,
    wilson_bound(support, corpus_support, -1.96) as recall_low,
    wilson_bound(support, corpus_support, 1.96) as recall_high
from neuron_metadata
where support > 0;
