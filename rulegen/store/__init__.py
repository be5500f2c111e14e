"""The store: alert episodes kept for years in one SQLite file. One process writes, any number read."""
