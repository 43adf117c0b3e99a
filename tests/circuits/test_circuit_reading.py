"""Circuits of files: their bounds hold before anything is built, and in a process of its own."""

import struct
import sys

import numpy as np
import openqasm3
import pytest
from qiskit import QuantumCircuit, qasm3
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Operator

from qllmft_circuits import from_qasm2, from_qasm3, from_qpy, to_qasm2, to_qasm3, to_qpy
from qllmft_circuits.files import reading
from qllmft_circuits.files.statements import parse_statements

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
QPY = bytearray(to_qpy(QuantumCircuit(1)))


def header(version=QPY[6], encoding=b"p", n_circuits=1):
    """Return the first bytes of a file in QPY."""
    return struct.pack("!6sBBBBQc", b"QISKIT", version, 1, 2, 0, n_circuits, encoding) + b"q"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it does not begin with QISKIT, as QPY does"),
        (b"QISKIT", "it has 6 bytes, and the header of QPY has 19"),
        (header(0), "it is QPY of version 0, which can hold code, expected version 13 or newer"),
        (header(12), "it is QPY of version 12, which can hold code"),
        (header(13, b"e"), "its symbolic encoding is b'e', which can hold code, expected b'p'"),
        (header(255), r"it is QPY of version 255, and the installed Qiskit reads up to \d+\. Install"),
        (header(n_circuits=2), "it holds 2 circuits, expected one"),
        (b" " * 10_000_001, "it has 10,000,001 bytes, expected at most 10,000,000"),
    ],
    ids=["empty", "short", "version 0", "version 12", "symengine", "newer", "two", "large"],
)  # fmt: skip
def test_qpy_is_refused_by_its_header_before_qiskit_sees_it(content, message, monkeypatch):
    monkeypatch.setattr(reading.qpy, "load", None)
    monkeypatch.setattr(reading.subprocess, "run", None)
    with pytest.raises(ValueError, match=message):
        from_qpy(content)


@pytest.mark.usefixtures("forked_reader")
def test_damaged_qpy_is_one_sentence():
    with pytest.raises(ValueError, match=r"^its content is damaged, or written by a newer Qiskit$"):
        from_qpy(bytes(QPY[:-9]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"x[30000000]": "a"}, "vectors with 30,000,001 elements, expected at most 100,000. Number the"),
        ({f"{v}[40000]": v for v in "abc"}, "vectors with 120,003 elements, expected at most 100,000"),
        ({"x" * 201: "a"}, r"a name has 201 characters \(xxxxxxxxxxxxxxxxxxxx\.\.\.\), expected at most 200"),
        ({"x": 5}, "a name is of type int, expected text"),
        ([], "the names are of type list, expected a map of parameters' names to identifiers"),
    ],
    ids=["index", "sum", "length", "value", "list"],
)  # fmt: skip
def test_names_are_bounded_before_a_vector_is_built(names, message, monkeypatch):
    monkeypatch.setattr(reading.subprocess, "run", None)
    with pytest.raises(ValueError, match=message):
        from_qasm3(f"{HEAD}input float[64] a; qubit q; rx(a) q;", names)


@pytest.mark.usefixtures("forked_reader")
@pytest.mark.public_report(
    case="raw_messages: circuits in files",
    source="own attack",
    seen="an empty, a nested or a damaged file ends with raw text of Python or Qiskit",
    outcome="one sentence names what is wrong and what is expected",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qubit[1] q; bit[60000] a; creg c[60000];", "it has 120,000 classical bits, expected at most 100,000"),
        ("qubit[200000] q;", "it has 200,000 qubits and 0 gates, expected at most 100,000 qubits and 100,000 gates"),
        ("qubit[9**9] q;", "a size or a power is of the kind BinaryExpression, expected a number"),
        ("rx(" + "(" * 200 + "1" + ")" * 201 + " q;", "line 3 is inside of 201 brackets, expected at most 200"),
        ("x" * 201 + " q;", r"line 3 has a name, a number or a quotation of 201 characters \(x{20}\.\.\.\)"),
        (f"gate g({','.join(f'p{i}' for i in range(1001))}) a {{}}", "the gate g has 1,001 parameters or qubits"),
        ("qubit q;\nx q; \x1b[31m", r"line 4 has the control character U\+001B"),
        ("qubit q; x \x9b q;", r"line 3 has the control character U\+009B"),
        ("qubit q;\nx q q;", "line 4, column 5 has an unexpected 'q'"),
        ("qubit q; x", "it ends inside a statement"),
        ("bit b; qubit q; " + "if (b) " * 900 + "x q;", "it is nested too deeply"),
    ],
    ids=[
        *("bits", "qubits", "power", "brackets", "length", "operands"),
        *("escape", "C1", "syntax", "end", "nested"),
    ],
)  # fmt: skip
def test_a_text_that_is_refused_is_one_sentence(text, message, capfd):
    with pytest.raises(ValueError, match=message) as caught:
        from_qasm3(HEAD + text, {})
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("read", [lambda text: from_qasm3(text, {}), from_qasm2])
@pytest.mark.parametrize("text", ["", "\n\n", "// nothing", "/* nothing"])
def test_a_text_without_a_statement_is_refused(read, text):
    with pytest.raises(ValueError, match=r"^it has no statement$"):
        read(text)


@pytest.mark.usefixtures("forked_reader")
def test_a_text_that_the_lexer_refuses_writes_nothing_to_the_terminal(capfd):
    with pytest.raises(ValueError, match="L3:C1"):
        from_qasm3(f'{HEAD} "open;\nqubit q;', {})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("limit", "text", "message"),
    [
        ("MAX_SECONDS", "qubit q; rx(" + "-" * 50_000 + "1) q;", "reading it takes more than 0 s"),
        (
            "MAX_MEMORY_BYTES",
            "qubit q; " + "".join(f"rx({i}) q; " for i in range(8000)),
            "reading it takes more than 0 bytes of memory",
        ),
    ],
    ids=["time", "memory"],
)
@pytest.mark.skipif(sys.platform != "linux", reason="limits of the kernel")
def test_the_next_large_text_is_refused_by_the_process_that_reads_it(
    limit, text, message, monkeypatch
):
    monkeypatch.setattr(reading, limit, 0)
    with pytest.raises(ValueError, match=message):
        from_qasm3(HEAD + text, {})


def test_time_is_bounded_where_the_system_has_no_limits(monkeypatch):
    monkeypatch.setattr(reading, "MAX_WAIT_S", 0.01)
    with pytest.raises(ValueError, match=r"it is not read within 0\.01 s"):
        from_qasm3(HEAD + "qubit q; x q;", {})


def test_no_module_is_imported_from_the_folder_of_the_files(tmp_path, monkeypatch):
    for name in ("qiskit", "openqasm3", "qllmft_circuits", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    assert from_qpy(bytes(QPY)) == QuantumCircuit(1)
    assert not (tmp_path / "ran").exists()


@pytest.mark.usefixtures("forked_reader")
def test_qasm2_is_read():
    circuit = random_circuit(3, 4, max_operands=2, seed=3)
    text = to_qasm2(circuit)
    assert Operator(from_qasm2(text)) == Operator(circuit)


def test_qasm2_includes_no_other_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.inc").write_text("gate g a { U(0,0,0) a; }")
    with pytest.raises(ValueError, match=r"unable to find 'other\.inc'"):
        from_qasm2('OPENQASM 2.0; include "other.inc"; qreg q[1]; g q[0];')


REPEATED = """
bit[2] c; // a comment; with a semicolon
gate twice(a) p, r { rx(a) p; rx(a) p; } twice(0.5) q[0], q[1]; /* ; */ twice(0.5) q[0], q[1];
h q[{0, 2}]; if (c[0]) { x q[0]; } else { h q[1]; } c[0] = measure q[0];
h q[{0, 2}]; if (c[0]) { x q[0]; } else { h q[1]; } c[0] = measure q[0]; c[0] = measure q[0];
for int i in {0, 3} { x q[0]; x q[0]; } x q[0]; x q[0]; ctrl @ x q[0], q[1]; barrier q; barrier q;
"""


@pytest.mark.parametrize("seed", range(4))
def test_statements_are_those_of_the_parser(seed):
    circuit = random_circuit(3, 3, max_operands=2, measure=True, seed=seed)
    text = qasm3.dumps(circuit.compose(circuit, clbits=range(3)))
    assert parse_statements(text) == openqasm3.parse(text).statements


def test_statements_in_other_forms_are_those_of_the_parser():
    for text in (
        HEAD + "qubit[3] q;" + REPEATED,
        "x q; x q; /* open",
        "x q; x q; #pragma a;\nx q;",
    ):
        try:
            expected = openqasm3.parse(text).statements
        except openqasm3.parser.QASM3ParsingError as error:
            with pytest.raises(type(error)):
                parse_statements(text)
        else:
            assert parse_statements(text) == expected


@pytest.mark.usefixtures("forked_reader")
def test_the_error_of_a_text_with_repeated_statements_names_its_own_line():
    with pytest.raises(ValueError, match=r"^5,0: gate 'no' is not defined"):
        from_qasm3(HEAD + "qubit q; x q; x q;\nx q; x q;\nno q;", {})


@pytest.mark.usefixtures("forked_reader")
def test_repeated_statements_mean_the_circuit_as_often():
    circuit = QuantumCircuit(2)
    for _ in range(3):
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.rx(0.25, 1)
    assert np.array_equal(
        [i.operation.name for i in from_qasm3(*to_qasm3(circuit)).data],
        [i.operation.name for i in circuit.data],
    )
