"""Models made here: fine-tuned ones, and tiny ones to learn on."""
