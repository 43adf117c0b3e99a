"""Commands of what a circuit adds, and of a run that can be checked, by the panel of the help that lists them."""

from qllmft_audit.commands import analyse, verify

COMMANDS = {
    "Train and use a model": (verify.verify,),
    "Measure what is quantum": (analyse.analyse, analyse.dequantise),
}
