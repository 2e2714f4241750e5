"""Columns that mean the same wherever they stand: in relations, and in the views and macros of `sql/`."""

INDEPENDENT = "as if sentences were independent of one another, which those of one document are not"
"""How p- and q-values over sentences are to be read."""

LEAST_SAMPLED = 5
"""Sampled sentences with it, and without, from which on an AUROC is stored."""

GLOSSARY = {
    # what a row is about
    "model": "short name of the model, without `/`",
    "checkpoint": "label of the checkpoint: `main`, `step143000`, `step_20k`",
    "step": "training step of the checkpoint, null if unknown",
    "series": "models that differ by their seed alone share it: the model's name without the seed",
    "site": "`hidden` (output of a block) or `ffn` (feed-forward inner representation after the activation function)",
    "layer": "block, from 0",
    "neuron": "dimension of the site, from 0",
    "pole": "`top` (highest activations) or `bottom` (lowest)",
    "corpus": "name of the corpus",
    "scope": "corpora that it is about: their sorted names joined by `+`",
    "key": "metadata key: `domain`, `author`, `sentiment`, …",
    "dataset": "name of the set of prompts",
    "rule": "of attribution: `adaptive`, `riemann`, `linspace` (integrated gradients), `gradient`, `relp` or `logit`",
    "concept": "the word that a prompt asks for",
    "prompt_id": "`prompts.prompt_id`",
    # sentences and their words
    "sentence_id": "`sentences.sentence_id`",
    "doc_id": "document that the sentence is from",
    "position": "place of the sentence in its document, from 0",
    "text": "the sentence, white space and runs of symbols normalised",
    "n_words": "white-space separated words of the sentence",
    "annotator": "`annotations.annotator` that found words and tags",
    "word": "the word as it stands",
    "tag": "Penn part-of-speech tag",
    "class": "word class of the tag: `noun`, `verb`, `adjective`, `adverb`, … (macro tag_class)",
    # activations
    "activation": "the sentence's activation: tokens aggregated as the run's settings say",
    "rank": "from 1 within the corpus; ties: lower sentence_id first",
    "token_position": "token of the maximum, from 0; null unless the aggregate is max",
    "mean_tokens": "mean number of tokens of the pole's sentences, special tokens not counted",
    "mean_words": "mean number of words of the pole's sentences",
    "corpus_mean_tokens": "mean number of tokens of the corpus's sentences that counted",
    "corpus_mean_words": "mean number of words of the corpus's sentences that counted",
    # what a pole's sentences have, against the corpus or the corpora of a scope
    "k": "sentences of the pole",
    "support": "sentences of the pole with it",
    "corpus_support": "sentences of the corpus or scope with it, among those that counted for the model",
    "n_sentences": "sentences of the corpus or scope that counted for the model: those of at least 3 tokens",
    "documents": "documents that these sentences are of; null where it was not counted",
    "sample_support": "sampled sentences with it",
    "n_sampled": "sampled sentences",
    "auroc": "of the neuron as a detector of it: the chance that a sampled sentence with it has a higher activation "
    "(pole `bottom`: a lower one) than one without, 0.5 by chance, to 3 digits; null where fewer than "
    f"{LEAST_SAMPLED} sampled sentences have it, or lack it",
    "auroc_low": "lower bound of auroc, 95 % confidence (Newcombe 2006, macro auroc_bound), as if sentences were "
    "independent of one another",
    "auroc_high": "upper bound of auroc",
    "lift": "(support / k) / (corpus_support / n_sentences)",
    "g2": "log-likelihood ratio of the pole's sentences against the others of the corpus or scope",
    "p_value": "of g2, two-sided: chi-square with one degree of freedom, Fisher's exact where a cell's expected count "
    f"is below 1; {INDEPENDENT}",
    # patterns
    "kind": "`word` or `tag` (sequences, gaps allowed) or `tree` (ordered labelled subtrees)",
    "pattern": "items in order; for trees one bracketed text: `(NP (DT) (NN))`",
    "pattern_text": "its items joined by blanks",
    "length": "items of the pattern (trees: nodes)",
    "mined_support": "support among the pole's sentences of the first half (hash of the id)",
    "mined_lift": "lift in the first half; null where the pattern is not frequent there",
    "mined_g2": "g2 in the first half; null where the pattern is not frequent there",
    "mined_q_value": "q_value in the first half, over the patterns frequent there; null where the pattern is not",
    "heldout_auroc": "on the second half, which had no part in choosing: (1 + share of the pole's sentences with it - "
    "share of the others) / 2; null where the pattern is not frequent in the first half, or the second has no sentence "
    "of either",
    # explanations
    "source": "what it is from, or what its run called it with --as: `template`, a chat model's name, `neuronpedia`",
    "place": "among the source's explanations of the neuron, from 1, as they were given",
    "explanation": "what the neuron's top sentences are said to be",
    "explainer": "what wrote it: `template`, or a chat model's name; null where a file does not say",
    "method": "`template`, `chat`, or what a file says; null where it does not say",
    "judge": "`words`, or the chat model that judged",
    "published_score": "score that a file gives it; null for others",
    "published_score_kind": "what that score is: `ev_correlation_score` of OpenAI's files",
    # two checkpoints
    "model_before": "model of the first checkpoint",
    "checkpoint_before": "label of the first checkpoint",
    "model_after": "model of the second checkpoint",
    "checkpoint_after": "label of the second checkpoint",
    "split": "value of the metadata key that splits the corpus (`train`, `test`); `all` without one",
    "mean_change": "mean over sentences of the activation after minus before",
    "mean_absolute_change": "mean of its absolute value; over neurons their sum is the Manhattan distance",
    "std_before": "standard deviation of the activation before, over the same sentences",
    "depth": "sentences compared: k, or what both have of a smaller corpus",
    "shared": "sentences that both have",
    "rbo": "rank-biased overlap, extrapolated from `depth` on (RBO_ext of Webber et al. 2010), 0 to 1",
    # knowledge
    "n_prompts": "prompts of the concept that ran",
    "frequency": "how frequent the word is, in the unit of frequency_source; null if unknown",
    "frequency_source": "`wordfreq` (Zipf scale: log10 of occurrences per billion words of English) or `given` with "
    "the prompts; in views also `concepts in CORPUS` (its sentences with the concept) and `facts in CORPUS` (those "
    "that state a fact of it)",
    "reference_checkpoint": "the checkpoint compared with",
    "checkpoint_a": "label of the earlier checkpoint, by step; those without a step come last, by label",
    "step_a": "its training step, null if unknown",
    "checkpoint_b": "label of the later checkpoint",
    "step_b": "its training step, null if unknown",
    "n_shared": "neurons that are both",
    "selection": "of the set: `prompt`, its best neurons by the rule; `concept`, the concept's contributing neurons",
    "kept": "true: all other neurons are at the baseline; false: those of the set are",
    "operation": "`zero`, `replace` (value at an unrelated prompt's answer position) or `double`",
    "polarity": "`positive`: the prompt asks for the concept; `negative`: for another one",
    "arm": "`contributing` neurons, or as many `random` ones of the same layers",
}
