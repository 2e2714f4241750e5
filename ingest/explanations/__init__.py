"""What neurons respond to, in words: made by a template or a chat model or read from files, and judged."""
