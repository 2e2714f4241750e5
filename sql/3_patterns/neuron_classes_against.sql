-- The rows of neuron_classes, with class_neurons made elsewhere: it reads all top sentences, and others want it too.
-- Thresholds: activation never above 0; a word or sequence in half of the top sentences with lift 2; half of the
-- variance; 80 % of one class with lift 1.5; q <= 0.05.
-- grain: neuron x class, per model, checkpoint, site and scope
-- chosen: name of a table or view with the columns of class_neurons
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
create macro neuron_classes_against(chosen) as table
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
from neuron_classes_at(0, 0.5, 2, 0.5, 0.8, 1.5, 0.05, classes := chosen);
