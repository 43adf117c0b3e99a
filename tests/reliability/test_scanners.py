"""Scanners of others find nothing in a model that `push` uploads, and find a pickle beside it."""

import pickle
import shutil
import subprocess

import pytest

import qllmft

pytestmark = pytest.mark.slow
# arguments before the folder, and the exit codes without and with a finding; modelscan says 3 if no file is of a kind
# that can hold code
SCANNERS = {"picklescan": (["--path"], (0,), (1,)), "modelscan": (["--path"], (0, 3), (1,))}


class Evil:
    """Object that calls a function when it is unpickled."""

    def __reduce__(self):
        return eval, ("1 + 1",)


@pytest.mark.parametrize("name", SCANNERS)
def test_a_pushed_folder_is_scanned(name, table, reference, tmp_path):
    if (program := shutil.which(name)) is None:
        pytest.skip(
            f"{name} is not installed: pip install {name}, in any virtual environment on PATH"
        )
    options, sound, unsound = SCANNERS[name]
    row = table.begin(
        f"scanner {name}",
        f"`{name}` on the folder that `push` uploads, and on the same folder with a pickle, which it finds",
    )

    def scan(folder):
        process = subprocess.run(
            [program, *options, str(folder)], capture_output=True, text=True, check=False
        )
        return process.returncode, process.stdout + process.stderr

    with row.attempt():
        folder = qllmft.load(reference.run).save_pretrained(tmp_path / "pushed")
        code, transcript = scan(folder)
        assert code in sound, transcript
        row.met["files"] = sum(path.is_file() for path in folder.rglob("*"))
    with row.attempt():
        (folder / "weights.pkl").write_bytes(pickle.dumps(Evil()))
        code, transcript = scan(folder)
        assert code in unsound, transcript
    row.assert_survived()
