"""Text and tables as HTML."""
