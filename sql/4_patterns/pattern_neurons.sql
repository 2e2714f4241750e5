-- Which neurons a pattern excites: those among whose sentences of the first half it is frequent (see mined_patterns),
-- with how sure that is; auroc and recall say how well each of them detects it.
-- grain: neuron x pole, per model, checkpoint, site and scope
-- argument chosen_kind: word, tag or tree
-- argument chosen: the pattern, as a list (['the', 'king']) or as text with blanks ('the king', '(NP (DT) (NN))')
-- columns: model, checkpoint, site, scope, layer, neuron, pole, pattern, support, k, corpus_support, n_sentences,
--   lift, g2, p_value
-- q_value: Benjamini-Hochberg over the frequent patterns of the neuron, kind and pole
-- columns: mined_support, mined_lift, mined_g2, mined_q_value, heldout_auroc, auroc, sample_support, n_sampled
-- recall: support / corpus_support
-- heldout_share: share of the pole's sentences of the other half, which had no part in choosing, that have it
-- heldout_others_share: share of the other sentences of that half that have it
-- columns: auroc_low, auroc_high
create macro pattern_neurons(chosen_kind, chosen) as table
select * exclude (kind, pattern_text, length)
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
