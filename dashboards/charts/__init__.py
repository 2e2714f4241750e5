"""Rows as pictures."""
