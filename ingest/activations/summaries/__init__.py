"""Mergeable summaries of activations: exact top-K, moments, histogram; memory bounded by K and neurons.

All of them take values [neurons, sentences], can be computed on shards anywhere, and merge in any order.
"""
