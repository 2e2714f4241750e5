-- What kind of neuron a neuron is: dead, token detector, n-gram detector, positional, class-selective (definitions and
-- their source, Voita et al. 2023, in neuron_classes_at). Thresholds: no token above 0; a word or sequence in
-- half of the top sentences with lift 2; half of the variance; 80 % of one class with lift 1.5; q <= 0.05.
-- grain: neuron x class, per model, checkpoint, site and scope
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- scope: corpus, or corpora joined by +, that the claim is about
-- layer: block, from 0
-- neuron: dimension, from 0
-- class: dead, token detector, n-gram detector, positional, class-selective
-- evidence: the word, the sequence, `key=value`, or what was measured
-- share: share of the top sentences with the evidence; of the variance (positional); of sentences not above 0 (dead)
-- lift: of the evidence, null where there is none
-- q_value: of the evidence, null where there is none
create view neuron_classes as
select
    model,
    checkpoint,
    site,
    scope,
    layer,
    neuron,
    class,
    evidence,
    share,
    lift,
    q_value
from neuron_classes_at();
