import json
import shutil

import pytest

from qllmft.analysis.twin import twin_config
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.inference.card import model_card
from qllmft.model import load_model
from qllmft.run import RunFolder


@pytest.fixture
def run(trained_run, tmp_path):
    shutil.copytree(trained_run, tmp_path / "run")
    return tmp_path / "run"


def test_a_run_is_analysed(run, cli):
    output, _ = cli("analyse", run, "--json", "--figures", run / "figures")
    found = json.loads(output)
    assert found == json.loads((run / "analysis.json").read_text("utf-8"))
    assert found["certificate"]["bond"] == 4**4
    assert found["forms"]["largest_error"] < 1e-12
    assert (
        found["head"]["test"]["total"]
        == found["kernel"]["test"]["total"]
        == found["twin"]["test"]["total"]
        == 40
    )
    assert max(found["bond"]["ranks"]) <= 4
    twin = RunFolder(run / "separable-twin").read_config()
    assert twin.model.ansatz == "separable"
    assert {file.name for file in (run / "figures").iterdir()} == {
        f"analysis-{name}.svg" for name in ("forms", "bond", "geometry", "gradients")
    }
    page = (run / "analysis.html").read_text("utf-8")
    assert page.count("<svg") == 4
    assert "separable twin" in page
    assert found["sentence"] in model_card(load_model(run), "a/b", run)
    trained = (run / "separable-twin" / "model" / "model.safetensors").stat().st_mtime_ns
    output, _ = cli("analyse", run)
    assert "\nNo quantum computer is needed" in output
    # read, not trained
    assert (run / "separable-twin" / "model" / "model.safetensors").stat().st_mtime_ns == trained


def test_a_run_without_result_is_refused(run, cli):
    (run / "result.json").unlink()
    _, error = cli("analyse", run, code=2)
    assert "is not finished" in error


def test_a_twin_has_no_gates_on_two_qubits_and_as_many_weights():
    config = RunConfig()
    twin = twin_config(config)
    assert twin.identity != config.identity
    assert (twin.seed, twin.train, twin.baselines.names) == (config.seed, config.train, ())
    other = config.model_copy(
        update={"model": config.model.model_copy(update={"ansatz": "brickwork"})}
    )
    with pytest.raises(UserError, match="only 'paper' has a separable twin"):
        twin_config(other)
