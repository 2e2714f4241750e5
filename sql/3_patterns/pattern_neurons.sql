-- Which neurons a pattern excites: those among whose sentences it is frequent, with how sure that is.
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
-- q_value: Benjamini-Hochberg over the patterns of the neuron, kind and pole
-- heldout_auroc: how well it tells the neuron's sentences from others in the half it was not mined on
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
    heldout_auroc
from neuron_patterns
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
