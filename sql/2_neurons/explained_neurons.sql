-- Which neurons are said to respond to something: those with an explanation that has all words searched for, each as
-- it stands or within a longer one, in either case.
-- grain: neuron x source x place, per model, checkpoint and site
-- argument chosen: words with blanks between
-- columns: model, checkpoint, site, source, layer, neuron, place, explanation, explainer, method
-- scope: corpora whose sentences it was made of or judged on; null without
-- columns: published_score, published_score_kind, judge
-- n_top: top sentences judged; null where nothing was judged
-- n_others: other sentences judged
-- auroc: of the judge's scores: 0.5 for an explanation that says nothing
-- balanced_accuracy: of its verdicts
-- control_auroc: auroc with the explanation of another neuron; null where the layer has no other
-- control_balanced_accuracy: balanced_accuracy with that
create macro explained_neurons(chosen) as table
from neuron_explanations
where
    len([
        word
        for word in string_split_regex(lower(chosen::varchar), '\s+')
        if not contains(lower(explanation), word)
    ]) = 0;
