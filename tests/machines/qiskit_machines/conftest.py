"""What all tests of machines share."""

import pytest
from qiskit.transpiler import generate_preset_pass_manager

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


class PassManagers:
    """Qiskit's pass managers, each made once: whenever it makes one it looks through all installed plugins."""

    def __init__(self):
        self._made = {}

    def __call__(self, level, *, target, **options):
        key = (level, id(target), repr(options))
        if key not in self._made:  # with the target, whose identity is then no other's
            self._made[key] = target, generate_preset_pass_manager(level, target=target, **options)
        return self._made[key][1]


@pytest.fixture(autouse=True, scope="module")
def _pass_managers():
    with pytest.MonkeyPatch.context() as patch:
        place = "qllmft_machines.qiskit_machines.compiled.generate_preset_pass_manager"
        patch.setattr(place, PassManagers())
        yield
