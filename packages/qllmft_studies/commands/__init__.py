"""Commands of studies and sweeps, by the panel of the help that lists them."""

from qllmft_studies.commands import study, sweep

COMMANDS = {"Compare over seeds and settings": (study.study, sweep.sweep)}
