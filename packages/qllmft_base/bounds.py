"""Bounds of files, settings and work for all packages, so that a small file is not the cause of large work."""

from __future__ import annotations

# files and settings
MAX_RECORD_BYTES = (
    64_000_000  # of a file, mostly of a record in JSON, which takes ten times as much memory
)
MAX_TOML_BYTES = 200_000  # of a configuration; ours have up to 8,000
MAX_INTEGER_DIGITS = 300  # of an integer in JSON; the largest float has 309
MAX_TOML_KEY_PARTS = 32  # of a dotted key: tomllib needs time and memory that grow with the square
LARGEST_SETTING = 2**63 - 1  # integer of a setting; files and other libraries hold no larger ones

# what a model, an adapter or a circuit may take, by its settings and headers
MAX_MEMORY_BYTES = 2_500_000_000
# such as one gate on one amplitude; the engine does about 3e9 of them in a second on one core
MAX_OPERATIONS = 10**12
