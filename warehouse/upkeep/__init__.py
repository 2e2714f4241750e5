"""What is stored, whether it is whole, and which version it is of."""
