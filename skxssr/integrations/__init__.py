"""Selectors inside the libraries people run their loops with, one library a file.

Nothing is imported here: a file that needs its library says which extra installs it. `warm` holds
what the later rounds of any of them can use.
"""
