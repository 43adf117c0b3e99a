"""Files of an audit that somebody made to run code, or to take the memory, the time or the terminal of the reader."""

import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qllmft import UserError
from qllmft_audit.audit import read_circuit, read_rows
from qllmft_circuits import to_qpy
from qllmft_circuits.files import reading

pytestmark = pytest.mark.usefixtures("forked_reader")

HEAD = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'
INPUT = f"{HEAD}input float[64] x_0;\nqubit[1] q;\n"
ROTATION = "rx(x_0) q[0];\n"


@pytest.fixture
def circuit_error(tmp_path, capfd):
    """Return the error of a circuit in a file; nothing else is written to the terminal."""

    def read_refused(content, suffix=".qasm", names=None):
        path = tmp_path / f"circuit{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if names is not None:
            path.with_name(f"{path.name}.names.json").write_text(json.dumps(names))
        with pytest.raises(UserError) as caught:
            read_circuit(path)
        assert capfd.readouterr() == ("", "")
        message = str(caught.value).replace(f"{tmp_path}/", "")
        assert message.isprintable()
        assert len(message) < 500
        return message

    return read_refused


def in_version(version, encoding):
    """Return a circuit in QPY whose header names another version and another encoding of expressions."""
    content = bytearray(to_qpy(QuantumCircuit(1)))
    content[6] = version
    content[18:19] = encoding
    return bytes(content)


@pytest.mark.public_report(
    case="qpy_symengine_pickle",
    source="own attack",
    seen="a QPY file of version 10 to 12 runs its author's code through symengine's loader",
    outcome="refused by the bytes of its header, before Qiskit sees the file",
)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (in_version(10, b"e"), "it is QPY of version 10, which can hold code, expected version 13"),
        (in_version(11, b"e"), "it is QPY of version 11, which can hold code"),
        (in_version(12, b"e"), "it is QPY of version 12, which can hold code"),
        (in_version(12, b"p"), "it is QPY of version 12, which can hold code"),
        (in_version(13, b"e"), "its symbolic encoding is b'e', which can hold code"),
        (b"QASM", "it does not begin with QISKIT"),
        (b"QISKIT", "it has 6 bytes, and the header of QPY has 19"),
    ],
)
def test_qpy_that_can_hold_code_is_refused_before_qiskit_sees_it(
    content, message, circuit_error, monkeypatch
):
    monkeypatch.setattr(reading.qpy, "load", None)
    monkeypatch.setattr(reading, "_run_reader", None)
    error = circuit_error(content, ".qpy")
    assert error.startswith(f"circuit.qpy cannot be read as QPY: {message}")
    assert "symengine" not in error


def test_sound_qpy_is_read(tmp_path):
    circuit = QuantumCircuit(1)
    circuit.rx(2 * Parameter("x"), 0)
    (tmp_path / "sound.qpy").write_bytes(to_qpy(circuit))
    assert read_circuit(tmp_path / "sound.qpy") == circuit


BUDGET = "the circuit in circuit.qasm would take"


@pytest.mark.public_report(
    case="qasm_vector_index",
    source="own attack",
    seen="a name x_30000000 builds a vector of 30,000,001 parameters: 10.8 GB, SIGABRT",
    outcome="an input is a parameter of its own, and the lengths of vectors in a map of names are bounded",
)
@pytest.mark.parametrize(
    "names", [["x_30000000"], [f"{v}_3999999" for v in "abcde"]], ids=["index", "many"]
)
def test_an_index_in_a_name_builds_no_vector(names, tmp_path):
    inputs = "".join(f"input float[64] {name};\n" for name in names)
    gates = "".join(f"rx({name}) q[0];\n" for name in names)
    (tmp_path / "index.qasm").write_text(f"{HEAD}{inputs}qubit[1] q;\n{gates}")
    assert [p.name for p in read_circuit(tmp_path / "index.qasm").parameters] == names


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"x[30000000]": "x_0"}, "the names are of vectors with 30,000,001 elements"),
        (["x"], "the names are of type list, expected a map"),
        ({"x": 5}, "a name is of type int, expected text"),
    ],
    ids=["index", "list", "value"],
)
def test_an_error_in_the_names_beside_a_circuit_names_their_file(names, message, circuit_error):
    error = circuit_error(INPUT + ROTATION, names=names)
    assert error.startswith(f"circuit.qasm.names.json cannot be read: {message}")


@pytest.mark.public_report(
    case="qasm_classical_bits",
    source="own attack",
    seen="bit[2000000000] builds all bits: 6.8 GB, SIGABRT",
    outcome="the bits of all declarations are counted before one is built",
)
@pytest.mark.parametrize(
    ("declarations", "message"),
    [
        ("bit[2000000000] c;", "it has 2,000,000,000 classical bits, expected at most 100,000"),
        ("creg c[2000000000];", "it has 2,000,000,000 classical bits"),
        ("".join(f"bit[50000000] {c};" for c in "abc"), "it has 150,000,000 classical bits"),
        ("if (true) { bit[2000000000] c; }", "it has 2,000,000,000 classical bits"),
        ("const int n = 2000000000; bit[n] c;", "a size or a power is of the kind Identifier"),
    ],
    ids=["bit", "creg", "three", "block", "constant"],
)
def test_classical_bits_are_counted(declarations, message, circuit_error):
    assert f"as OpenQASM 3: {message}" in circuit_error(INPUT + declarations + ROTATION)


@pytest.mark.public_report(
    case="qasm_unused_definitions",
    source="own attack",
    seen="40 definitions, each two of the one before, take 110 s and 4.6 GB although nothing uses them",
    outcome="a definition is counted where it is defined, and the budget refuses it",
)
def test_definitions_that_are_never_used_count(circuit_error):
    gates = "gate g0 a { h a; h a; }\n"
    gates += "".join(f"gate g{i} a {{ g{i - 1} a; g{i - 1} a; }}\n" for i in range(1, 40))
    assert circuit_error(HEAD + gates + INPUT.removeprefix(HEAD) + ROTATION).startswith(BUDGET)


@pytest.mark.public_report(
    case="qasm_parser_time",
    source="own attack",
    seen="200,000 parentheses or a gate of 40,000 parameters are parsed for minutes; 20,000 measurements for 17 s",
    outcome="nesting and operands are bounded; a repeated statement is parsed once, in 1 s",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"rx({'(' * 200_000}x_0{')' * 200_000}) q[0];", "line 5 is inside of 201 brackets"),
        (f"gate g({','.join(f'p{i}' for i in range(2000))}) a {{ h a; }}", "the gate g has 2,000 parameters"),
    ],
    ids=["parentheses", "parameters"],
)  # fmt: skip
def test_what_is_parsed_for_minutes_is_refused(text, message, circuit_error):
    assert f"as OpenQASM 3: {message}" in circuit_error(INPUT + text + ROTATION)


def test_many_equal_statements_are_read(tmp_path):
    path = tmp_path / "measures.qasm"
    path.write_text(INPUT + ROTATION + "bit[1] c;\n" + "c[0] = measure q[0];\n" * 20_000)
    assert read_circuit(path).size() == 20_001


def test_an_input_that_no_gate_uses_is_a_parameter(tmp_path):
    path = tmp_path / "unused.qasm"
    path.write_text(INPUT)
    assert [parameter.name for parameter in read_circuit(path).parameters] == ["x_0"]


@pytest.mark.public_report(
    case="qasm_names_regex",
    source="own attack",
    seen="a name of 50,000 underscores takes 49 s, and is printed whole; 100,000 empty lines take 15 s",
    outcome="names have at most 200 characters, an error shows 20, and the time is linear",
)
@pytest.mark.parametrize(
    "name",
    ["_" * 50_000 + "y", "x" + "_" * 100_000 + "y", "x_" + "9" * 5000],
    ids=["lead", "underscores", "index"],
)
def test_a_long_name_is_refused_with_its_first_characters(name, circuit_error):
    error = circuit_error(f"{HEAD}input float[64] {name};\nqubit[1] q;\nrx({name}) q[0];\n")
    assert f"line 3 has a name, a number or a quotation of {len(name):,} characters" in error


def test_empty_lines_after_the_inputs_take_no_time(tmp_path):
    path = tmp_path / "lines.qasm"
    path.write_text(INPUT + "\n" * 100_000 + ROTATION)
    assert [p.name for p in read_circuit(path).parameters] == ["x_0"]


@pytest.mark.public_report(
    case="qasm_terminal",
    source="own attack",
    seen="the parser writes the file's raw bytes to the terminal, such as ESC and BEL",
    outcome="a text with control characters is refused, and the parser's process has no terminal",
)
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('include "\x1b]0;owned\x07\x1b[31mred;\n', r"line 5 has the control character U\+001B"),
        ("qubit[1] r; \x1b[31m\n", "U+001B"),
        ("\x07\n", "U+0007"),
        ("\x9b31m\n", "U+009B"),
        ('"open;\n', "L5:C0"),
    ],
    ids=["include", "lexer", "bell", "csi", "quotation"],
)
def test_a_file_does_not_write_to_the_terminal(text, message, circuit_error):
    assert message.replace("\\", "") in circuit_error(INPUT + text + ROTATION)


def array(shape, kind="<f8", data=b""):
    """Return an array in NumPy's format, whose header need not fit its data."""
    head = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    head += b" " * (64 - (len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + data


X = array((8, 1), data=np.linspace(0, 1, 8).tobytes())
Y = array((8,), "<i8", (np.arange(8) % 2).tobytes())
TEXTS = array((10_001,), "<U1", bytes(4 * 10_001))


@pytest.mark.public_report(
    case="npz_bounds",
    source="own attack",
    seen="2**33 texts of width 0 take more than 2 GB; 60,000 names are printed; 1.8 MB unpack to 1.9 GB",
    outcome="names, kinds, shapes and bytes are compared with the headers before an array is read",
)
@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "y": Y, "observables": array((2**33,), "<U0")}, "has observables of type <U0, expected numbers or"),
        ({"X": X, "y": Y, "observables": TEXTS}, "has 10,001 observables, expected at most 10,000"),
        ({"X": array((2**40, 0)), "y": Y}, "has X of shape (1099511627776, 0), expected at least one value"),
        ({"X": array((2**40, 1)), "y": Y}, "has X with 0 bytes, and its header tells of 8,796,093,022,208"),
        ({"X": X, "y": array((4,), data=bytes(32))}, "has X of shape (8, 1) and y of shape (4,), expected as many"),
        ({"X": X, "y": Y, "inputs": array((1, 1), data=bytes(8))}, "X of shape (8, 1) and inputs of shape (1, 1)"),
        ({f"a{i}": b"" for i in range(6000)}, "the arrays a0, a1, a10, a100 and 5,996 more unknown ones, expected X"),
    ],
    ids=["width", "observables", "empty", "size", "rows", "inputs", "names"],
)  # fmt: skip
def test_arrays_are_compared_with_their_headers_before_one_is_read(arrays, message, tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as file:
        for name, content in arrays.items():
            file.writestr(f"{name}.npy", content)
    tracemalloc.start()
    with pytest.raises(UserError) as caught:
        read_rows(tmp_path / "rows.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in str(caught.value)
    assert len(str(caught.value)) < 500
    assert peak < 20_000_000


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("y.npy", Y)
        with file.open("X.npy", "w") as entry:
            entry.write(array((26_000_000, 1)))
            for _ in range(208):
                entry.write(bytes(1_000_000))
    with pytest.raises(
        UserError, match=r"unpacks to 208,000,\d+ bytes, expected at most 200,000,000"
    ):
        read_rows(tmp_path / "rows.npz")


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as file:
        file.writestr("X.npy", X)
        file.writestr("y.npy", Y)
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("X.npy", X)
    with pytest.raises(UserError, match="has the arrays X, y, and X twice, expected X and y"):
        read_rows(tmp_path / "rows.npz")
