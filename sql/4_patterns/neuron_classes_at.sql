-- What kind of neuron a neuron is, after Voita, Ferrando and Nalmpantis 2023, "Neurons in Large Language Models: Dead,
-- N-gram, Positional" (arXiv 2309.04827), restated for sentences, which is what is stored. A neuron can be of several
-- classes, or of none.
-- A dead neuron is an ffn neuron that no token activates above dead_max, as theirs, or any with one value for all
-- sentences. A token detector has one word in at least detector_share of its top
-- sentences, with lift and q-value (theirs: few tokens make up most of what activates it); an n-gram detector has a
-- sequence of words there. A positional neuron follows the number of tokens of a sentence, which sets the positions
-- that its activation is an aggregate over: it explains at least position_r2 of the variance (theirs: mutual
-- information of a token's position and being active). A class-selective neuron has one value of a metadata key in at
-- least class_share of its top sentences, with lift and q-value (the classifier-like neurons of Oba et al. 2021).
-- Of the weights alone (relation neuron_weights), after Stolfo et al. 2024, "Confidence Regulation Neurons in Language
-- Models" (arXiv 2406.16254): an entropy neuron writes with at least its layer's median norm, at least
-- entropy_null_share of it where the unembedding reads least, so that the variance of what tokens get is at most
-- entropy_variance of the layer's median; a token-frequency neuron moves logits along log token frequency, with a
-- correlation of at least frequency_r in either direction (theirs: by the effect on the loss, which takes text).
-- view: neuron_classes(): no token above 0; a word or sequence in half of the top sentences with lift 2; half of the
--   variance; 80 % of one class with lift 1.5; q <= 0.05
-- grain: neuron x class, per model, checkpoint, site and scope
-- argument dead_max: highest activation of a dead neuron at any token; unknown where version 1 ran the model
-- argument detector_share: lowest share of the top sentences with the word or sequence
-- argument detector_lift: lowest lift of the word or sequence
-- argument position_r2: lowest squared correlation of activation and number of tokens, over the sampled sentences
-- argument class_share: lowest share of the top sentences with the metadata value
-- argument class_lift: lowest lift of the metadata value
-- argument max_q: highest q-value of a word, sequence or metadata value
-- argument entropy_null_share: lowest share of an entropy neuron's output weights where the unembedding reads least
-- argument entropy_variance: highest variance of what tokens get of it, as a share of the layer's median
-- argument frequency_r: lowest correlation of logits and log frequency, in either direction
-- columns: model, checkpoint, site
-- scope: corpora that the claim is about, their sorted names joined by `+`; null: the weights alone
-- columns: layer, neuron
-- class: dead, token detector, n-gram detector, positional, class-selective, entropy, token frequency
-- evidence: the word, the sequence, `key=value`, or what was measured
-- share: share of the top sentences with the evidence; of the variance (positional, token frequency); of sentences not
--   above 0 (dead); of the output weights (entropy)
-- lift: of the evidence, null where there is none
-- q_value: of the evidence, null where there is none
create macro neuron_classes_at(
    dead_max := 0,
    detector_share := 0.5,
    detector_lift := 2,
    position_r2 := 0.5,
    class_share := 0.8,
    class_lift := 1.5,
    max_q := 0.05,
    entropy_null_share := 0.5,
    entropy_variance := 0.5,
    frequency_r := 0.5
) as table
with dead as (
    select
        model,
        checkpoint,
        site,
        corpus as scope,
        layer,
        neuron,
        'dead' as class,
        'highest activation of a token' as evidence,
        1 - share_positive as share
    from neuron_stats
    where (site = 'ffn' and max_token <= dead_max) or std = 0
),

detectors as (
    select
        model,
        checkpoint,
        site,
        scope,
        layer,
        neuron,
        case when length = 1 then 'token detector' else 'n-gram detector' end as class,
        pattern_text as evidence,
        support / k as share,
        lift,
        q_value
    from neuron_patterns
    where
        kind = 'word'
        and pole = 'top'
        and support >= detector_share * k
        and lift >= detector_lift
        and q_value <= max_q
    qualify row_number() over (
        partition by model, checkpoint, site, scope, layer, neuron, length = 1
        order by g2 desc, evidence asc
    ) = 1
),

by_length as (
    select
        model,
        checkpoint,
        site,
        corpus as scope,
        layer,
        neuron,
        'positional' as class,
        'number of tokens' as evidence,
        length_r2 as share
    from neuron_profiles
    where pole = 'top' and length_r2 >= position_r2
),

selective as (
    select
        model,
        checkpoint,
        site,
        corpus as scope,
        layer,
        neuron,
        'class-selective' as class,
        key || '=' || value as evidence,
        share,
        lift,
        q_value
    from class_neurons
    where pole = 'top' and share >= class_share and lift >= class_lift and q_value <= max_q
    qualify row_number() over (
        partition by model, checkpoint, site, corpus, layer, neuron
        order by g2 desc, key asc, value asc
    ) = 1
),

entropy as (
    select
        model,
        checkpoint,
        'ffn' as site,
        layer,
        neuron,
        'entropy' as class,
        'output weights that the unembedding hardly reads' as evidence,
        null_share as share
    from neuron_weights
    window of_layer as (partition by model, checkpoint, layer)
    qualify
        null_share >= entropy_null_share
        and logit_variance <= entropy_variance * median(logit_variance) over of_layer
        and write_norm >= median(write_norm) over of_layer
),

token_frequency as (
    select
        model,
        checkpoint,
        'ffn' as site,
        layer,
        neuron,
        'token frequency' as class,
        case when frequency_correlation > 0 then 'raises frequent tokens' else 'lowers frequent tokens' end as evidence,
        frequency_correlation * frequency_correlation as share
    from neuron_weights
    where abs(frequency_correlation) >= frequency_r
)

select * from detectors
union all by name
select * from dead
union all by name
select * from by_length
union all by name
select * from selective
union all by name
select * from entropy
union all by name
select * from token_frequency;
