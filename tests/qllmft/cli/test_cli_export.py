"""`qllmft export`: files and standard output, and how bad input ends."""

import json

import pytest

from qllmft.inference.export import ExportRequest, export_run
from qllmft_circuits import from_qasm3, from_qpy

pytestmark = pytest.mark.usefixtures("forked_reader")

TEXT = "a great film , not dull at all"


@pytest.fixture
def export(trained_run, cli):
    """`qllmft export` of the trained run: its output, or its messages if it is to fail."""

    def call(*arguments, code=0, run=trained_run):
        output, messages = cli("export", run, *arguments, code=code)
        return messages if code else output

    return call


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ([], ExportRequest()),
        (["--text", TEXT], ExportRequest(text=TEXT)),
        (["--format qasm2 --measure", "--text", TEXT], ExportRequest("qasm2", text=TEXT, measure=True)),
        (["--weights free"], ExportRequest(weights="free")),
        (["--format txt"], ExportRequest("txt")),
        (["--part encoder --encoder 1"], ExportRequest(part="encoder", encoder=1)),
        (
            ["--part encoder --encoder 0 --decompose --format qasm2", "--text", TEXT],
            ExportRequest("qasm2", "encoder", TEXT, encoder=0, decompose=True),
        ),
    ],
)  # fmt: skip
def test_text_goes_to_standard_output_and_is_what_python_gives(
    trained_run, export, options, request_
):
    assert export(*options).encode() == export_run(trained_run, request_).content


def test_a_file_and_its_names_read_back_as_the_circuit(trained_run, export, tmp_path):
    file = tmp_path / "new" / "head.qasm"
    summary = export(f"--weights free --out {file}")
    assert (
        summary == f"{file} and {file}.names.json: 4 qubits, 44 operations, 20 free parameters.\n"
    )
    names = json.loads((tmp_path / "new" / "head.qasm.names.json").read_text(encoding="utf-8"))
    circuit = from_qasm3(file.read_text(encoding="utf-8"), names)
    vectors = {"theta": 16, "x": 4}
    expected = [f"{name}[{i}]" for name, size in vectors.items() for i in range(size)]
    assert [p.name for p in circuit.parameters] == expected
    assert {path.name for path in file.parent.iterdir()} == {file.name, f"{file.name}.names.json"}


@pytest.mark.parametrize(
    ("options", "ending", "free"),
    [(["--text", TEXT, "--measure"], ": 4 qubits, 48 operations.\n", 0),
     (["--format qpy"], ": 4 qubits, 44 operations, 4 free parameters.\n", 4)],
)  # fmt: skip
def test_a_file_without_names_of_parameters(export, tmp_path, options, ending, free):
    assert export(*options, "--out", tmp_path / "head") == f"{tmp_path}/head{ending}"
    assert [path.name for path in tmp_path.iterdir()] == ["head"]
    content = (tmp_path / "head").read_bytes()
    circuit = from_qpy(content) if free else from_qasm3(content.decode(), {})
    assert circuit.num_parameters == free


def test_drawings_hold_the_gates(export, tmp_path):
    svg = export("--format svg")
    assert svg.startswith("<?xml")
    assert svg.count("<!-- $\\mathrm{R_Y}$ -->") == 28
    assert svg.count("<!-- x[3] -->") == 3
    out = f"--out {tmp_path / 'e.svg'}"
    export("--format svg --part encoder --encoder 0", out, "--text", TEXT)
    assert "<!-- load -->" in (tmp_path / "e.svg").read_text(encoding="utf-8")
    drawing = export("--format txt")
    assert drawing.count("Ry(x[3])") == 3
    assert "q_3: " in drawing


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("head.svg", b"<?xml"),
        ("head.SVG", b"<?xml"),
        ("head.qpy", b"QISKIT"),
        ("head.qasm", b"OPENQASM 3"),
        ("head.txt", b"OPENQASM 3"),
    ],
)
def test_the_ending_of_a_file_names_its_format(export, model_of, tmp_path, name, beginning):
    export(f"--out {tmp_path / name}", run=model_of(reuploads=1, main_layers=1))
    assert (tmp_path / name).read_bytes().startswith(beginning)


def test_bad_input_ends_with_2_and_says_what_to_do(export, tmp_path):
    (tmp_path / "file").touch()
    for options, message in (
        ("--format qpy", "QPY is binary and is not written to standard output. Name a file with"),
        ("--format qasm4", "qasm4"),
        ("--part body", "body"),
        (f"--out {tmp_path}", f"error: {tmp_path} is a folder. Give --out the name of a file.\n"),
        (f"--out {tmp_path}/h.png", "ends with .png, which export does not write. A drawing is an"),
        (f"--out {tmp_path}/h.PDF --format svg", "ends with .pdf, which export does not write"),
        (f"--out {tmp_path}/h.svg --format qpy", "expected another ending for --format qpy"),
        (f"--out {tmp_path}/h.qpy --format qasm3", "ends with .qpy, expected another ending for"),
        (f"--out {tmp_path}/file/x", f"the file {tmp_path}/file/x cannot be written: "),
    ):
        messages = export(options, code=2)
        assert message in messages
        assert "Traceback" not in messages
    assert "there is no trained model in" in export(code=2, run=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
