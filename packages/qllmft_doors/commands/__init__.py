"""Commands of the model behind HTTP, by the panel of the help that lists them."""

from qllmft_doors.commands import serve

COMMANDS = {"Train and use a model": (serve.serve,)}
