"""The studies that there are, each a TOML file: its rows, its seeds, its epochs, and what `--quick` leaves of it."""
