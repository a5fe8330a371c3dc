"""Retrieval: a tower that reads users, one that reads items, and an index that finds the nearest items."""
