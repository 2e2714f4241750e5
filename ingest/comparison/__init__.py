"""Layers, groups of neurons, partners in another model, distances between checkpoints."""
