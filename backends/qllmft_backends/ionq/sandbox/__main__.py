"""``python -m qllmft_backends.ionq.sandbox --port 8765``."""

from qllmft_backends.ionq.sandbox.command import main

if __name__ == "__main__":
    main()
