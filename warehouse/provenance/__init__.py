"""Which job makes what of what, and whether that is still what is stored."""
