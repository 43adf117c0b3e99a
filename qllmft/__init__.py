"""Quantum circuit heads on language models.

>>> import qllmft
>>> config = qllmft.load_preset("single-10q").config({"train.epochs": 10})
>>> config.model.n_qubits, config.train.epochs
(10, 10)
"""

# before every other import, `__future__` too: `python -m qllmft` puts the current folder before all paths of modules
import sys

if (
    sys.argv[:1] == ["-m"]
    and not sys.flags.safe_path
    and sys.orig_argv[-len(sys.argv)].partition(".")[0].endswith("qllmft")
):
    del sys.path[0]

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft.api import load as load
    from qllmft.api import train as train
    from qllmft.config import RunConfig as RunConfig
    from qllmft.config.presets import load_preset as load_preset
    from qllmft.config.presets import preset_names as preset_names
    from qllmft.heads import QuantumEncoder as QuantumEncoder
    from qllmft.heads import QuantumHead as QuantumHead
    from qllmft.inference import Predictor as Predictor
    from qllmft.plugins import register as register
    from qllmft_audit.audit import audit as audit
    from qllmft_base.errors import UserError as UserError
    from qllmft_engine.quantum_kernel import QuantumKernel as QuantumKernel
    from qllmft_studies import compare as compare
    from qllmft_studies import read_study as read_study

    __version__: str

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, _public = make_lazy_imports(__name__)

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        return (
            import_module("importlib.metadata").version("qllmft")
            if name == "__version__"
            else _public(name)
        )

    def __dir__() -> list[str]:
        """Return the public names and the version."""
        return ["__version__", *__all__]
