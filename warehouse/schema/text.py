"""Corpora, their sentences, and what annotators say of these."""

from nwh.warehouse.schema.relation import CORPUS, SENTENCE_ID, Column, Relation, shared

CORPORA = Relation(
    "corpora",
    "corpus",
    ("corpus",),
    (
        CORPUS,
        Column("source", "text", "file, folder or data set the text came from"),
        Column("n_documents", "bigint", "documents with text"),
        Column("n_sentences", "bigint", "sentences stored"),
        Column("settings", "text", "JSON: columns, sentence splitter, `text_sha256` of the sentences"),
    ),
    ("corpus",),
)

SENTENCES = Relation(
    "sentences",
    "sentence",
    ("sentence_id",),
    (
        Column("sentence_id", "bigint", "21 bits of the corpus name's hash, then 32 bits: place in the corpus"),
        CORPUS,
        shared("doc_id", "text"),
        shared("position", "integer"),
        shared("text", "text"),
        shared("n_words", "integer"),
    ),
    ("corpus",),
    (("corpus", "corpora.corpus"),),
)

SENTENCE_METADATA = Relation(
    "sentence_metadata",
    "sentence x key x value",
    ("sentence_id", "key", "value"),
    (
        SENTENCE_ID,
        CORPUS,
        shared("key", "text"),
        Column("value", "text", "value of the key; a document with a list of values has a row for each"),
    ),
    ("corpus",),
    (("sentence_id", "sentences.sentence_id"),),
)

ANNOTATIONS = Relation(
    "annotations",
    "sentence x annotator",
    ("corpus", "annotator", "sentence_id"),
    (
        SENTENCE_ID,
        CORPUS,
        Column("annotator", "text", "what made it: `spacy`, `nltk`, `nltk+link-grammar`, `corenlp`, `trees` …"),
        Column("words", "text[]", "words as they stand, punctuation included"),
        Column("tags", "text[]", "Penn part-of-speech tag of each word"),
        Column("tree", "text", "bracketed tree with the words as leaves, null if none was found", True),
        Column("tree_kind", "text", "`constituency` or `dependency` (labels are relations); null without tree", True),
    ),
    ("corpus", "annotator"),
    (("sentence_id", "sentences.sentence_id"),),
)

RELATIONS = (CORPORA, SENTENCES, SENTENCE_METADATA, ANNOTATIONS)
