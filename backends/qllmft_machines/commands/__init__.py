"""Commands of quantum hardware, by the panel of the help that lists them."""

from qllmft_machines.commands import machines, price

COMMANDS = {
    "Look up": (machines.backends,),
    "Quantum hardware": (price.price, machines.jobs, machines.ionq_sandbox),
}
