"""What a neuron's top and bottom sentences are like, as facts: words, tags, metadata values, lengths."""
