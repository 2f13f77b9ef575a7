"""Helpers that know nothing of selection: files, optional imports, progress, threads."""
