import json

import pytest
from small_texts import write_reviews

from qllmft.analysis.twin import twin_configs
from qllmft.config import ModelConfig, RunConfig, parse_config
from qllmft.errors import UserError
from qllmft.inference.card import model_card
from qllmft.model import load_model
from qllmft.run import RunFolder, run_experiment
from qllmft.templates import encoder_template, head_template


def test_a_run_is_analysed(run, cli):
    output, _ = cli("analyse", run, "--json", "--figures", run / "figures")
    found = json.loads(output)
    assert found == json.loads((run / "analysis.json").read_text("utf-8"))
    assert found["certificate"]["bond"] == 4**4
    assert found["forms"]["largest_error"] < 1e-12
    assert (
        found["head"]["test"]["total"]
        == found["kernel"]["test"]["total"]
        == found["twins"]["separable encoder"]["test"]["total"]
        == found["twins"]["separable head"]["test"]["total"]
        == 40
    )
    assert max(found["bond"]["ranks"]) <= 4
    least = found["least"]
    assert [each["share"] for each in least["found"]] == [0.99, 1.0]
    assert least["found"][0]["bond"] <= least["found"][1]["bond"] <= least["limit"] == 4
    assert least["found"][1]["same"]["right"] == least["texts"] == 40
    model = RunFolder(run).read_config().model
    for name, parts in (("encoder", ("separable", "paper")), ("head", ("paper", "separable"))):
        twin = RunFolder(run / f"separable-{name}").read_config().model
        assert (twin.ansatz_of_encoders, twin.ansatz) == parts
        assert (twin.n_qubits, twin.encoder_layers) == (model.n_qubits, model.encoder_layers)
    assert {file.name for file in (run / "figures").iterdir()} == {
        f"analysis-{name}.svg" for name in ("forms", "bond", "geometry", "gradients")
    }
    page = (run / "analysis.html").read_text("utf-8")
    assert page.count("<svg") == 4
    assert "separable encoder" in page
    assert "separable head" in page
    assert "Least bond that keeps" in page
    assert found["sentence"] in model_card(load_model(run), "a/b", run)
    trained = (run / "separable-head" / "model" / "model.safetensors").stat().st_mtime_ns
    output, _ = cli("analyse", run)
    assert "No quantum computer is needed" in output
    # read, not trained
    assert (run / "separable-head" / "model" / "model.safetensors").stat().st_mtime_ns == trained


def test_kernels_of_validation_folds_are_compared_with_their_own_number_of_texts(
    cli, tmp_path, tiny_body
):
    settings = {
        "data": {
            "source": str(write_reviews(tmp_path / "texts.tsv")),
            "protocol": "split",
            "validation_folds": 3,
        },
        "body": {"model": str(tiny_body)},
        "model": {"n_qubits": 3, "encoder_qubits": 4, "encoder_layers": 2},
        "train": {"epochs": 2, "select": "last"},
        "baselines": {"names": []},
    }
    outcome = run_experiment(parse_config(settings, "the test"), tmp_path / "run")
    n_train = outcome.record.data.sizes["train"]
    output, _ = cli("analyse", tmp_path / "run", "--no-twin")
    found = json.loads((tmp_path / "run" / "analysis.json").read_text("utf-8"))
    n_texts = found["geometry"]["linear"]["texts"]
    assert 0.5 * n_train < n_texts < 0.8 * n_train  # two of three folds
    assert f"√N = {n_texts**0.5:.1f}" in output
    assert f"√N of {n_texts} texts" in (tmp_path / "run" / "analysis.html").read_text("utf-8")


def test_a_file_in_place_of_the_figures_folder_is_refused_before_any_work(run, cli, tmp_path):
    (tmp_path / "figures").write_text("")
    error = cli.refused("analyse", run, "--figures", tmp_path / "figures")
    assert "is a file, and --figures is a folder" in error
    assert not (run / "analysis.json").exists()


def test_a_run_without_result_is_refused(run, cli):
    (run / "result.json").unlink()
    _, error = cli("analyse", run, code=2)
    assert "is not finished" in error


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({}, ["separable encoder", "separable head"]),
        ({"start": "sines", "reuploads": 1, "main_layers": 1}, ["separable encoder", "separable head"]),
        ({"connectivity": 2, "ring": False}, ["separable encoder", "separable head"]),
        ({"head": "none", "encoder_qubits": 4, "ring": False}, ["separable encoder"]),
        ({"encoder": "mlp", "block": "ry_cx"}, ["separable head"]),
        ({"ansatz": "separable", "encoder_ansatz": "paper", "ring": False}, ["separable encoder"]),
        ({"encoder_ansatz": "brickwork", "block": "ry_cx"}, ["separable head"]),
    ],
)  # fmt: skip
def test_a_twin_changes_one_part(settings, names):
    def gates(circuit):
        """Return names, qubits and angles of the gates; parameters of two templates are not equal."""
        return [
            (
                gate.name,
                [circuit.find_bit(qubit).index for qubit in gate.qubits],
                *map(str, gate.params),
            )
            for gate in ([] if circuit is None else circuit.data)
        ]

    def two_qubit_gates(circuit):
        return sum(len(qubits) > 1 for _, qubits, *_ in gates(circuit))

    config = RunConfig(model=ModelConfig(**{"n_qubits": 4} | settings))
    twins = twin_configs(config)
    assert list(twins) == names
    for name, twin in twins.items():
        assert twin.identity != config.identity
        assert (twin.seed, twin.train, twin.baselines.names) == (config.seed, config.train, ())
        pairs = [(f(config.model), f(twin.model)) for f in (encoder_template, head_template)]
        changed = pairs["head" in name]
        (kept,) = [pair for pair in pairs if pair is not changed]
        assert two_qubit_gates(changed[0]) > 0 == two_qubit_gates(changed[1])
        assert gates(kept[0]) == gates(kept[1])


def test_a_run_without_the_papers_ansatz_has_no_twin():
    config = RunConfig(model=ModelConfig(ansatz="brickwork"))
    with pytest.raises(UserError, match="only 'paper' has separable twins"):
        twin_configs(config)
