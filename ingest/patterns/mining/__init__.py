"""Sentences and trees as arrays, the frequent (skip) n-grams and subtrees of many sets of them, who has each."""
