"""Numbers of a model's small files made large: the command ends soon, with little memory."""

import json
import resource
import shutil
import time
from multiprocessing import util
from pathlib import Path

import forked_commands
import pytest

pytestmark = pytest.mark.slow
LARGE = (10**3, 10**4, 10**5, 10**6, 10**9, 10**12)
MOST_MB, MOST_S = 2_000, 30  # more than the undisturbed command


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
    begin, place = time.monotonic(), folder.with_name(f"{folder.name}-memory")
    arguments = ["predict", str(run), "a fine film"]
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
            assert memory - usual < MOST_MB, f"{way} = {value}: {memory} MB beside {usual}"
            assert took - seconds < MOST_S, f"{way} = {value}: {took} s beside {seconds}"
            shutil.rmtree(run)
    row.met["MB more at most"] = max(0, most_mb)
    row.met["seconds more at most"] = round(max(0, most_s))
    row.assert_survived()
