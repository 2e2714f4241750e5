"""Ways to say how much each `ffn` value at the answer position adds to the answer's probability."""
