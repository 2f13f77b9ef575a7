"""How the runs of a comparison are analysed."""
