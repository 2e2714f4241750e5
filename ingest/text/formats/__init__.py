"""How a file of each format is read: its columns after all cheap checks, its rows in a stream."""
