"""Gates with a definition of their own under a standard name, which OpenQASM 2 would mistake for the standard ones."""

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import RYGate

from qllmft_circuits.qasm import to_qasm2


def own_gate(name):
    inner = QuantumCircuit(1, name=name)
    inner.ry(0.4, 0)
    return inner.to_gate()


@pytest.mark.parametrize("name", ["x", "h", "sx", "rccx"])
def test_a_gate_under_a_standard_name_is_refused(name):
    circuit = QuantumCircuit(2)
    circuit.h(1)
    circuit.append(own_gate(name), [0])
    outer = QuantumCircuit(2)
    outer.append(circuit.to_gate(label="outer"), [0, 1])
    for refused_circuit in (circuit, outer):
        with pytest.raises(ValueError, match=f"is named '{name}', as a standard gate is"):
            to_qasm2(refused_circuit)


def test_an_annotated_gate_is_named():
    circuit = QuantumCircuit(3)
    circuit.append(RYGate(0.4).control(2, ctrl_state=1, annotated=True), [0, 1, 2])
    with pytest.raises(ValueError, match="'annotated' has no form in QASM 2"):
        to_qasm2(circuit)


def test_other_gates_are_written():
    circuit = QuantumCircuit(4)
    circuit.append(own_gate("mine"), [0])
    circuit.append(RYGate(0.4).control(2, ctrl_state=1, annotated=False), [0, 1, 2])
    circuit.mcx([0, 1, 2], 3)
    circuit.sx(1)
    circuit.barrier()
    circuit.measure_all()
    text = to_qasm2(circuit)
    assert "mine q[0];" in text
    assert "sx q[1];" in text
