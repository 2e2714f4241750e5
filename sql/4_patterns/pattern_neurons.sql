-- Which neurons a pattern excites: those among whose sentences of the first half it is frequent (see mined_patterns),
-- with how sure that is.
-- grain: neuron x pole, per model, checkpoint, site and scope
-- chosen_kind: word, tag or tree
-- chosen: the pattern, as a list (['the', 'king']) or as text with blanks ('the king', '(NP (DT) (NN))')
-- model: short name of the model
-- checkpoint: label of the checkpoint
-- site: hidden or ffn
-- scope: corpora the patterns are from
-- layer: block, from 0
-- neuron: dimension, from 0
-- pole: top or bottom
-- pattern: the pattern
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
-- mined_q_value: q-value in the first half
-- heldout_auroc: how well it tells the pole's sentences from others in the second half, which had no part in choosing
create macro pattern_neurons(chosen_kind, chosen) as table
select
    model,
    checkpoint,
    site,
    scope,
    layer,
    neuron,
    pole,
    pattern,
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
from mined_patterns
where
    kind = chosen_kind
    and pattern_text = case
        when typeof(chosen) like '%[]' then array_to_string(try_cast(chosen::varchar as varchar[]), ' ')
        else chosen::varchar
    end
    -- the text finds the few row groups that may have it; lists of as many items have one text only if one has a blank
    and (
        chosen_kind = 'tree'
        or case
            when typeof(chosen) not like '%[]' then length = len(string_split(chosen::varchar, ' '))
            else
                length = len(try_cast(chosen::varchar as varchar[]))
                and (
                    length = len(string_split(array_to_string(try_cast(chosen::varchar as varchar[]), ' '), ' '))
                    or pattern = try_cast(chosen::varchar as varchar[])
                )
        end
    );
