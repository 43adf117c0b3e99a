"""Nothing here holds tests, and Python itself may have imported another sitecustomize.py."""

collect_ignore_glob = ["*.py"]
