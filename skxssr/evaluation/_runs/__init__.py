"""How the runs of a comparison are made and kept."""
