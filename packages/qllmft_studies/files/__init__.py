"""Campaigns of the package, each a TOML file: the rows of a study, or the search space of a sweep."""
