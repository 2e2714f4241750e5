"""From files to the sentences of a corpus."""
