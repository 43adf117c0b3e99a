"""The paper's energy of one inference (section VII-B, table V): of gate counts and of whole heads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from qllmft.bounds import LARGEST_FORMULA_CONSTANT, MAX_GATE_S
from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.templates import encoder_template, head_template
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_text
from qllmft_circuits import count
from qllmft_circuits.encoder import loading_template
from qllmft_circuits.head import side_by_side
from qllmft_circuits.inspect import CircuitCounts


@dataclass(frozen=True)
class EnergyConstants:
    """Constants of the two formulas. The defaults are those of table V.

    Its two-qubit gate is ten times faster than one on a single qubit, although Forte's is slower (`FORTE`). Exchanged,
    or as printed, they put the crossover at the same 46 qubits (`tests/qllmft/energy/test_energy_model.py`).
    """

    qpu_power_w: float = 300.0  # P_qpu, power of the QPU per qubit, in watts
    one_qubit_gate_s: float = 1e-4  # T_sq, in seconds
    two_qubit_gate_s: float = 1e-5  # T_tq, in seconds
    shots: int = 8_000  # S, shots per inference; the tables on training print 8,192
    gpu_power_w: float = 700.0  # P_gpu, power of one GPU (NVIDIA H100 SXM), in watts
    gpu_flops: float = 3.4e13  # F_gpu, floating-point operations per second in FP64

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value <= LARGEST_FORMULA_CONSTANT:
                raise UserError(
                    f"{name} is {value:g}, expected more than 0 and at most {LARGEST_FORMULA_CONSTANT:g}."
                )


PAPER = EnergyConstants()
FORTE_QUBITS = 36
# gate times in IonQ's API for Forte
FORTE = replace(PAPER, one_qubit_gate_s=130e-6, two_qubit_gate_s=970e-6)


def read_gate_times(file: Path) -> EnergyConstants:
    """Return `FORTE` with the gate times of another machine.

    The file is JSON in seconds with ``one_qubit_s`` and ``two_qubit_s``, or with ``1q`` and ``2q`` in ``timing``, as in
    IonQ's characterization.
    """
    try:
        content: Any = parse_json(read_text(file))
        timing = content.get("timing", {})
        names = {"one_qubit_s": "1q", "two_qubit_s": "2q"}
        gate_times = [content.get(name, timing.get(short)) for name, short in names.items()]
        if any(isinstance(value, bool) for value in gate_times):
            raise TypeError("a gate time is true or false")
        one_qubit_s, two_qubit_s = (None if value is None else float(value) for value in gate_times)
    except OSError as error:
        raise UserError(f"the calibration {file} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise UserError(
            f"the calibration {file} is not a JSON object of gate times: {error}."
        ) from error
    if one_qubit_s is None or two_qubit_s is None:
        raise UserError(
            f"the calibration has gate times of {one_qubit_s} s (1Q) and {two_qubit_s} s (2Q). Both are needed."
        )
    if max(one_qubit_s, two_qubit_s) > MAX_GATE_S:
        raise UserError(
            f"the calibration has gate times of {one_qubit_s:g} s (1Q) and {two_qubit_s:g} s (2Q), expected "
            f"{MAX_GATE_S:g} s at most. The file is in seconds: divide microseconds by 1,000,000."
        )
    return replace(FORTE, one_qubit_gate_s=one_qubit_s, two_qubit_gate_s=two_qubit_s)


def energy_text(kilojoules: float) -> str:
    """Return an energy with three digits, in the largest unit of which there is one or more.

    >>> energy_text(41.24), energy_text(3.37e-9), energy_text(0.0)
    ('41.2 kJ', '3.37 µJ', '0 nJ')
    """
    for unit, size in {"kJ": 1.0, "J": 1e-3, "mJ": 1e-6, "µJ": 1e-9}.items():
        # 999.9 would be rounded to 1e+03
        if kilojoules >= 0.9995 * size:
            return f"{float(f'{kilojoules / size:.3g}'):,.12g} {unit}"
    return f"{kilojoules / 1e-12:.3g} nJ"


def qpu_energy_kj(counts: CircuitCounts, constants: EnergyConstants = PAPER) -> float:
    """Return E_qpu = Q·(SQ·T_sq + TQ·T_tq)·S·P_qpu/1000, for gates in sequence and qubits powered throughout.

    Returns:
        Kilojoules of one inference (S shots).
    """
    seconds = counts.one_qubit_gates * constants.one_qubit_gate_s
    seconds += counts.two_qubit_gates * constants.two_qubit_gate_s
    return counts.n_qubits * seconds * constants.shots * constants.qpu_power_w / 1000


def amplitude_flops(counts: CircuitCounts) -> int:
    """Return the operations per amplitude of the state, SQ·2² + TQ·2³, as the paper counts a gate's matrix product."""
    return counts.one_qubit_gates * 2**2 + counts.two_qubit_gates * 2**3


def gpu_energy_kj(counts: CircuitCounts, constants: EnergyConstants = PAPER) -> float:
    """Return E_gpu = 2^Q·(SQ·2² + TQ·2³)/F_gpu·P_gpu/1000, at the peak speed without communication between GPUs.

    The paper prints P_qpu in this formula. P_gpu is used here: table V has no other use for it, and with P_qpu the
    crossover of the paper's head would be at 48 qubits (47 with the most layers of `head_counts`), but the caption of
    figure 5 has 46.

    Returns:
        Kilojoules of one inference (one exact simulation; it needs no shots).
    """
    return flops_energy_kj(2.0**counts.n_qubits * amplitude_flops(counts), constants)


def flops_energy_kj(flops: float, constants: EnergyConstants = PAPER) -> float:
    """Return the kilojoules of ``flops`` operations on the GPU, at its peak speed."""
    return flops / constants.gpu_flops * constants.gpu_power_w / 1000


def linear_energy_j(rows: int, columns: int) -> float:
    """Return the joules of a matrix times a vector: two operations per entry, at the GPU's peak speed."""
    return 2 * rows * columns / PAPER.gpu_flops * PAPER.gpu_power_w


def quantum_energies_j(model: ModelConfig, dimension: int, k: int) -> tuple[float, float]:
    """Return the joules of a simulation on a GPU, and with circuits on a QPU, of D-dimensional embeddings and k labels.

    Encoders are simulated in both, as in the paper. A simulation runs each register of a head alone, and a QPU of
    `FORTE_QUBITS` several in a circuit (`machine_circuits`). If the head has no circuit (``head = "none"``), the
    encoders run on the QPU instead, with their loading as R_Y and CNOT; odd ones run twice. The embedding itself is not
    included.
    """
    model = model.for_labels(k)
    encoder = encoder_template(model)
    head = head_template(model)
    assert encoder is not None
    n_read_values = model.n_qubits if head else model.most_encoders * model.encoder_outputs
    products_j = linear_energy_j(k, n_read_values)
    products_j += linear_energy_j(dimension, min(model.components or 0, dimension))
    simulated_j = products_j + 1000 * model.encodings * gpu_energy_kj(count(encoder))
    if head is not None:
        gpu = model.registers * gpu_energy_kj(count(head))
        circuits, counts = machine_circuits(model)
        return simulated_j + 1000 * gpu, simulated_j + 1000 * circuits * qpu_energy_kj(counts)
    loaded_encoder = loading_template(model.latent_encoder_qubits).compose(encoder)
    return simulated_j, products_j + 1000 * model.encodings * qpu_energy_kj(count(loaded_encoder))


def machine_circuits(
    model: ModelConfig, max_qubits: int = FORTE_QUBITS
) -> tuple[int, CircuitCounts]:
    """Return how many circuits of a quantum head a text has on a machine, and the gate counts of each.

    They are as few as hold all registers, and of equal size. Every circuit has at least one register.
    """
    circuit = head_template(model)
    assert circuit is not None
    fitting = max(1, max_qubits // circuit.num_qubits)
    circuits = -(-model.registers // fitting)
    return circuits, count(side_by_side(circuit, -(-model.registers // circuits)))


@lru_cache(maxsize=1024)
def head_counts(config: ModelConfig, n_qubits: int) -> CircuitCounts:
    """Return the gate counts of the head of ``config`` on ``n_qubits`` qubits, before any transpilation.

    The paper does not state the number of ansatz layers for R, N and M. Here N are between two encodings and M at the
    end, (R-1)·N + M in all, which fits every published parameter count. Figure 1 may also mean N after each encoding,
    then M (R·N + M), or N + M after each (R·(N + M)). With R = 4, N = 1, M = 2 these are 5, 6 and 12 layers, and all
    three have the paper's crossover at 46 qubits.
    """
    if config.head != "quantum":
        kind = "classical" if config.head == "mlp" else "a linear layer"
        raise UserError(
            f"the head is {kind}, so it has no circuit. Choose a preset with a quantum head: single-10q."
        )
    if n_qubits <= config.connectivity or n_qubits < 2:
        raise UserError(
            f"{n_qubits} qubits are too few for connectivity {config.connectivity}. "
            f"Begin --qubits at {max(2, config.connectivity + 1)} or more."
        )
    circuit = head_template(config.model_copy(update={"n_qubits": n_qubits, "registers": 1}))
    assert circuit is not None  # the head is quantum
    return count(circuit)


def has_network(config: ModelConfig) -> bool:
    """Return whether the operations of a tensor network are counted for the head."""
    return config.head == "quantum" and config.ansatz == PAPER_ANSATZ and config.connectivity == 1


def network_flops(config: ModelConfig, n_qubits: int) -> int:
    """Return the operations of ⟨Z⟩ of all qubits of a head with C = 1.

    L layers have bonds of χ = 2^L. Two sweeps over the qubits each multiply an environment by two tensors, for both
    values of a qubit: 16·χ³ operations per qubit on a chain, and 16·χ⁵ on a ring, whose environment also holds the
    ring's bond.

    Raises:
        UserError: if the head has another ansatz, or a larger connectivity.
    """
    if not has_network(config):
        crossing = config.connectivity * (config.connectivity + 1) // 2 * (2 if config.ring else 1)
        raise UserError(
            f"the head is {config.head!r}, its ansatz {config.ansatz!r}, C = {config.connectivity}. The operations of "
            "a tensor network are counted for the paper's ansatz with C = 1 only. With this C the bound on the Schmidt "
            f"rank is {2**crossing}^{config.head_layers}. Omit --against, or set model.connectivity to 1."
        )
    return n_qubits * 16 * (1 << config.head_layers * (5 if config.ring else 3))
