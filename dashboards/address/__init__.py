"""What the address of a page says."""
