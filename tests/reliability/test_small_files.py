"""Numbers of small files made large, and sparse files: the command ends soon, with little memory."""

import json
import os
import resource
import shutil
import time
from multiprocessing import util
from pathlib import Path

import forked_commands
import numpy as np
import pytest

pytestmark = pytest.mark.slow
LARGE = (10**3, 10**4, 10**5, 10**6, 10**9, 10**12)
MAX_MB = 2_000
MAX_S = 30  # more than the undisturbed command


def record_memory(place):
    """Write the most memory of this process in MB into a file when it ends."""
    util.Finalize(None, write_memory, (place,), exitpriority=0)


def write_memory(place):
    place.write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def numbers(content, way=()):
    """Yield the way to each integer below ``content``."""
    if type(content) is int:
        yield way
    children = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    for key, value in children:
        yield from numbers(value, (*way, key))


def replace_at(content, way, value):
    """Return a copy of ``content`` with ``value`` at the end of a way."""
    if not way:
        return value
    copy = content.copy()
    copy[way[0]] = replace_at(content[way[0]], way[1:], value)
    return copy


def predict(run: Path, folder: Path):
    """Return the exit code, what was printed, seconds and MB of `predict` on a run."""
    return measure(["predict", str(run), "a fine film"], folder)


def measure(arguments, folder: Path):
    """Return the exit code, what was printed, seconds and MB of a command."""
    begin = time.monotonic()
    place = folder.with_name(f"{folder.name}-memory")
    command = forked_commands.start(arguments, folder, prepare=(record_memory, place))
    code = command.wait()
    return code, command.transcript, time.monotonic() - begin, int(place.read_text())


def test_large_numbers_in_a_small_record(table, reference, tmp_path):
    row = table.begin(
        "small files", "`qllmft predict`, an integer of a model's record made 1,000 to 10^12"
    )
    code, transcript, seconds, usual = predict(reference.run, tmp_path / "whole")
    assert code == 0, transcript
    record = json.loads((reference.run / "model" / "model.json").read_text())
    ways = [
        way
        for way in numbers(record)
        if way[0] in ("model", "body", "dimension", "data_map", "n_parameters")
    ]
    assert len(ways) > 10
    most_mb = most_s = 0
    for number in table.tries(60):
        with row.attempt() as rng:
            run = shutil.copytree(reference.run, tmp_path / str(number))
            way = rng.choice(ways)
            value = rng.choice(LARGE)
            (run / "model" / "model.json").write_text(json.dumps(replace_at(record, way, value)))
            code, transcript, took, memory = predict(run, tmp_path / f"in {number}")
            most_mb = max(most_mb, memory - usual)
            most_s = max(most_s, took - seconds)
            assert code in (0, 2), transcript
            row.met[f"exit code {code}"] += 1
            assert memory - usual < MAX_MB, f"{way} = {value}: {memory} MB beside {usual}"
            assert took - seconds < MAX_S, f"{way} = {value}: {took} s beside {seconds}"
            shutil.rmtree(run)
    row.met["MB more at most"] = max(0, most_mb)
    row.met["seconds more at most"] = round(max(0, most_s))
    row.assert_survived()


def edit_entries(*ways):
    """Return a function that gives values to entries of the record in a model's folder."""

    def edit(folder):
        record = json.loads((folder / "model.json").read_text())
        record.pop("check", None)
        for *way, value in ways:
            inner = record
            for key in way[:-1]:
                inner = inner.setdefault(key, {})
            inner[way[-1]] = value
        (folder / "model.json").write_text(json.dumps(record))

    return edit


def lengthen_file(name, size=20 * 10**9):
    """Return a function that makes a file in a model's folder as long as that, with little on the disk."""

    def lengthen(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("ab") as file:
            os.truncate(file.fileno(), size)

    return lengthen


def large_adapter(folder):
    """Give the model an adapter of 20 GB."""
    edit_entries(("body", "adapter", "adapter"))(folder)
    lengthen_file("adapter/adapter_model.safetensors")(folder)
    (folder / "adapter" / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 8, "target_modules": "all-linear"}'
    )


LARGE_MODELS = {
    "layers 10,000": edit_entries(("model", "start", "random"), ("model", "main_layers", 10_000)),
    "layers 1,200": edit_entries(("model", "start", "random"), ("model", "main_layers", 1_200)),
    "qubits 30": edit_entries(("model", "encoder_qubits", 30)),
    "support vectors": edit_entries(("kernel", "support", 200_000), ("dimension", 10_000)),
    "axes": edit_entries(("model", "components", 10), ("dimension", 10**6)),
    "surrogate": edit_entries(
        ("surrogate", {}), ("model", "encoder_qubits", 13), ("dimension", 5_000)
    ),
    "weights of 20 GB": lengthen_file("model.safetensors"),
    "adapter of 20 GB": large_adapter,
}
COMMANDS = {
    "predict": ("a fine film",),
    "serve": ("--port", "0"),
    "export": ("--out", "circuit.qasm"),
    "push": ("ann/films",),
    "analyse": ("--no-twin",),
}
HEAD = 'OPENQASM 3.0; include "stdgates.inc"; input float[64] x_0; gate g0 a { rx(0.1) a; h a; } '
GATES = "".join(f"gate g{i} a {{ {f'g{i - 1} a; ' * 10} }} " for i in range(1, 7))
LARGE_CIRCUITS = {
    "qubits 40": "qubit[40] q; ry(x_0) q[0];",
    "gates in definitions": f"{GATES} qubit[2] q; ry(x_0) q[0]; g6 q[1];",
    "gates in a loop": "qubit[2] q; ry(x_0) q[0]; for int i in [0:1000000] { h q[1]; }",
    "gates of a power": "qubit[2] q; ry(x_0) q[0]; pow(1000000) @ h q[1];",
    "gates on a register": "qubit[1000000] q; ry(x_0) q;",
}
MAX_MORE_MB = 150


def test_small_files_that_ask_for_gigabytes(table, reference, tmp_path):
    row = table.begin(
        "small files, gigabytes",
        "a model's folder of a few kilobytes (or sparse files of 20 GB), or a circuit as text, that asks for gigabytes "
        f"or minutes, for {', '.join(f'`{name}`' for name in COMMANDS)}: an error with the numbers, or the result if "
        "the file is not read",
    )
    broken = shutil.copytree(reference.run, tmp_path / "broken")
    (broken / "model" / "model.json").write_text("{}")
    usual = {}
    most_mb = 0
    for command, options in COMMANDS.items():
        place = tmp_path / f"usual {command}"
        code, transcript, _, usual[command] = measure([command, str(broken), *options], place)
        assert code == 2, transcript
    tries = [(name, command) for name in LARGE_MODELS for command in COMMANDS]
    for name, command in tries[:: max(1, len(tries) // len(table.tries(len(tries))))]:
        with row.attempt():
            run = shutil.copytree(reference.run, tmp_path / f"{name} {command}")
            LARGE_MODELS[name](run / "model")
            arguments = [command, str(run), *COMMANDS[command]]
            code, transcript, took, memory = measure(arguments, tmp_path / f"in {name} {command}")
            reads = (name, command) != ("adapter of 20 GB", "export")  # no text, so no adapter
            assert code == 2 * reads, f"{command}, {name}: {transcript}"
            assert not reads or "expected" in transcript, transcript
            most_mb = max(most_mb, memory - usual[command])
            assert memory - usual[command] < MAX_MORE_MB, f"{command}, {name}: {memory} MB"
            assert took < MAX_S, f"{command}, {name}: {took} s"
            row.met[name] += 1
            shutil.rmtree(run)
    for name, text in LARGE_CIRCUITS.items():
        with row.attempt():
            place = tmp_path / name
            place.mkdir()
            (place / "small.qasm").write_text(HEAD + text)
            np.savez(place / "rows.npz", X=np.ones((4, 1)), y=np.arange(4) % 2)
            arguments = ["analyse", "--circuit", "small.qasm", "--data", "rows.npz"]
            code, transcript, took, memory = measure(arguments, place)
            assert code == 2, f"{name}: {transcript}"
            assert "bytes of memory" in " ".join(transcript.split()), transcript
            most_mb = max(most_mb, memory - usual["analyse"])
            assert memory - usual["analyse"] < MAX_MORE_MB, f"{name}: {memory} MB"
            assert took < MAX_S, f"{name}: {took} s"
            row.met[name] += 1
    row.met["MB more at most"] = most_mb
    row.assert_survived()
