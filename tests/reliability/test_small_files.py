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
MAX_MB, MAX_S = 2_000, 30  # more than the undisturbed command


def measure(place):
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


def changed(content, way, value):
    """Return a copy of ``content`` with ``value`` at the end of a way."""
    if not way:
        return value
    copy = content.copy()
    copy[way[0]] = changed(content[way[0]], way[1:], value)
    return copy


def predict(run: Path, folder: Path):
    """Return the exit code, what was printed, seconds and MB of `predict` on a run."""
    return measured(["predict", str(run), "a fine film"], folder)


def measured(arguments, folder: Path):
    """Return the exit code, what was printed, seconds and MB of a command."""
    begin, place = time.monotonic(), folder.with_name(f"{folder.name}-memory")
    command = forked_commands.start(arguments, folder, prepare=(measure, place))
    code = command.wait()
    return code, command.said, time.monotonic() - begin, int(place.read_text())


def test_large_numbers_in_a_small_record(table, undisturbed, tmp_path):
    row = table.begin(
        "small files", "`qllmft predict`, an integer of a model's record made 1,000 to 10^12"
    )
    code, said, seconds, usual = predict(undisturbed.run, tmp_path / "whole")
    assert code == 0, said
    record = json.loads((undisturbed.run / "model" / "model.json").read_text())
    ways = [
        way
        for way in numbers(record)
        if way[0] in ("model", "body", "dimension", "data_map", "n_parameters")
    ]
    assert len(ways) > 10
    most_mb = most_s = 0
    for number in table.tries(60):
        with row.attempt() as rng:
            run = shutil.copytree(undisturbed.run, tmp_path / str(number))
            way, value = rng.choice(ways), rng.choice(LARGE)
            (run / "model" / "model.json").write_text(json.dumps(changed(record, way, value)))
            code, said, took, memory = predict(run, tmp_path / f"in {number}")
            most_mb, most_s = max(most_mb, memory - usual), max(most_s, took - seconds)
            assert code in (0, 2), said
            row.met[f"exit code {code}"] += 1
            assert memory - usual < MAX_MB, f"{way} = {value}: {memory} MB beside {usual}"
            assert took - seconds < MAX_S, f"{way} = {value}: {took} s beside {seconds}"
            shutil.rmtree(run)
    row.met["MB more at most"] = max(0, most_mb)
    row.met["seconds more at most"] = round(max(0, most_s))
    row.assert_survived()


def edited(*ways):
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


def sparse(name, size=20 * 10**9):
    """Return a function that makes a file in a model's folder as long as that, with little on the disk."""

    def lengthen(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("ab") as file:
            os.truncate(file.fileno(), size)

    return lengthen


def large_adapter(folder):
    """Give the model an adapter of 20 GB."""
    edited(("body", "adapter", "adapter"))(folder)
    sparse("adapter/adapter_model.safetensors")(folder)
    (folder / "adapter" / "adapter_config.json").write_text(
        '{"peft_type": "LORA", "r": 8, "target_modules": "all-linear"}'
    )


LARGE_MODELS = {
    "layers 10,000": edited(("model", "start", "random"), ("model", "main_layers", 10_000)),
    "layers 1,200": edited(("model", "start", "random"), ("model", "main_layers", 1_200)),
    "qubits 30": edited(("model", "encoder_qubits", 30)),
    "support vectors": edited(("kernel", "support", 200_000), ("dimension", 10_000)),
    "axes": edited(("model", "components", 10), ("dimension", 10**6)),
    "surrogate": edited(("surrogate", {}), ("model", "encoder_qubits", 13), ("dimension", 5_000)),
    "weights of 20 GB": sparse("model.safetensors"),
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


def test_small_files_that_ask_for_gigabytes(table, undisturbed, tmp_path):
    row = table.begin(
        "small files, gigabytes",
        "a model's folder of a few kilobytes (or sparse files of 20 GB), or a circuit as text, that asks for gigabytes "
        f"or minutes, for {', '.join(f'`{name}`' for name in COMMANDS)}: an error with the numbers, or the result if "
        "the file is not read",
    )
    broken = shutil.copytree(undisturbed.run, tmp_path / "broken")
    (broken / "model" / "model.json").write_text("{}")
    usual, most_mb = {}, 0
    for command, options in COMMANDS.items():
        place = tmp_path / f"usual {command}"
        code, said, _, usual[command] = measured([command, str(broken), *options], place)
        assert code == 2, said
    tries = [(name, command) for name in LARGE_MODELS for command in COMMANDS]
    for name, command in tries[:: max(1, len(tries) // len(table.tries(len(tries))))]:
        with row.attempt():
            run = shutil.copytree(undisturbed.run, tmp_path / f"{name} {command}")
            LARGE_MODELS[name](run / "model")
            arguments = [command, str(run), *COMMANDS[command]]
            code, said, took, memory = measured(arguments, tmp_path / f"in {name} {command}")
            reads = (name, command) != ("adapter of 20 GB", "export")  # no text, so no adapter
            assert code == 2 * reads, f"{command}, {name}: {said}"
            assert not reads or "expected" in said, said
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
            code, said, took, memory = measured(arguments, place)
            assert code == 2, f"{name}: {said}"
            assert "bytes of memory" in " ".join(said.split()), said
            most_mb = max(most_mb, memory - usual["analyse"])
            assert memory - usual["analyse"] < MAX_MORE_MB, f"{name}: {memory} MB"
            assert took < MAX_S, f"{name}: {took} s"
            row.met[name] += 1
    row.met["MB more at most"] = most_mb
    row.assert_survived()
