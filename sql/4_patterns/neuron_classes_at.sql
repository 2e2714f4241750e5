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
-- view: neuron_classes(): no token above 0; a word or sequence in half of the top sentences with lift 2; half of the
--   variance; 80 % of one class with lift 1.5; q <= 0.05
-- grain: neuron x class, per model, checkpoint, site and scope
-- argument dead_max: highest activation of a dead neuron at any token; unknown where an earlier version ran the model
-- argument detector_share: lowest share of the top sentences with the word or sequence
-- argument detector_lift: lowest lift of the word or sequence
-- argument position_r2: lowest squared correlation of activation and number of tokens, over the sampled sentences
-- argument class_share: lowest share of the top sentences with the metadata value
-- argument class_lift: lowest lift of the metadata value
-- argument max_q: highest q-value of a word, sequence or metadata value
-- columns: model, checkpoint, site, scope, layer, neuron
-- class: dead, token detector, n-gram detector, positional, class-selective
-- evidence: the word, the sequence, `key=value`, or what was measured
-- share: share of the top sentences with the evidence; of the variance (positional); of sentences not above 0 (dead)
-- lift: of the evidence, null where there is none
-- q_value: of the evidence, null where there is none
create macro neuron_classes_at(
    dead_max := 0,
    detector_share := 0.5,
    detector_lift := 2,
    position_r2 := 0.5,
    class_share := 0.8,
    class_lift := 1.5,
    max_q := 0.05
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
        1 - share_positive as share,
        null::double as lift,
        null::double as q_value
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
        length_r2 as share,
        null::double as lift,
        null::double as q_value
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
)

select * from dead
union all
select * from detectors
union all
select * from by_length
union all
select * from selective;
