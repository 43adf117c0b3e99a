"""Search spaces: one TOML file a sweep table of the paper."""
