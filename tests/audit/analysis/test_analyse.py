import json
import os
import shutil
from types import SimpleNamespace

import pytest
from sklearn.metrics import balanced_accuracy_score
from small_texts import write_reviews

from qllmft.config import ModelConfig, RunConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.events import ignore
from qllmft.inference.card import model_card
from qllmft.model import load_model
from qllmft.report import style
from qllmft.run import RunFolder, run_experiment
from qllmft.templates import encoder_template, head_template
from qllmft_audit import twin as twin_module
from qllmft_audit.page import draw_spectra
from qllmft_audit.twin import train_twins, twin_configs
from qllmft_base.errors import UserError

FIGURES = ("forms", "bond", "geometry", "gradients")


@pytest.fixture(scope="module", autouse=True)
def pages_with_figures():
    """Pages have placeholders for figures, but for those of `analyse_with_figures`."""


@pytest.fixture
def analyse_with_figures(cli, undrawn_figures):
    """`qllmft analyse` as a function of the names of the figures that its page has, and of its arguments."""

    def analyse(names, *arguments):
        placeholder = style.as_svg

        def as_svg(figure, name):
            return (undrawn_figures if name in names else placeholder)(figure, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(style, "as_svg", as_svg)
            return cli("analyse", *arguments)[0]

    return analyse


def test_a_run_is_analysed(run, cli, analyse_with_figures):
    output = analyse_with_figures(FIGURES, run, "--json", "--figures", run / "figures")
    analysis = json.loads(output)
    assert analysis == json.loads((run / "analysis.json").read_text("utf-8"))
    assert analysis["certificate"]["bond"] == 4**4
    assert analysis["forms"]["largest_error"] < 1e-12
    assert (
        analysis["head"]["test"]["total"]
        == analysis["kernel"]["test"]["total"]
        == analysis["twins"]["separable encoder"]["test"]["total"]
        == analysis["twins"]["separable head"]["test"]["total"]
        == 40
    )
    assert max(analysis["bond"]["ranks"]) <= 4
    least = analysis["least"]
    assert [step["share"] for step in least["found"]] == [0.99, 1.0]
    assert least["found"][0]["bond"] <= least["found"][1]["bond"] <= least["limit"] == 4
    assert least["found"][1]["same"]["right"] == least["texts"] == 40
    model = RunFolder(run).read_config().model
    for name, parts in (("encoder", ("separable", "paper")), ("head", ("paper", "separable"))):
        twin = RunFolder(run / f"separable-{name}").read_config().model
        assert (twin.ansatz_of_encoders, twin.ansatz) == parts
        assert (twin.n_qubits, twin.encoder_layers) == (model.n_qubits, model.encoder_layers)
    assert {file.name for file in (run / "figures").iterdir()} == {
        f"analysis-{name}.svg" for name in FIGURES
    }
    page = (run / "analysis.html").read_text("utf-8")
    assert page.count("<svg") == len(FIGURES)
    assert all(f'<g id="{name}-figure_1"' in page for name in FIGURES)
    assert "separable encoder" in page
    assert "separable head" in page
    assert "Least bond that keeps" in page
    assert analysis["sentence"] in model_card(load_model(run), "a/b", run)
    trained = (run / "separable-head" / "model" / "model.safetensors").stat().st_mtime_ns
    output, _ = cli("analyse", run)
    assert "No quantum computer is needed" in output
    # read, not trained
    assert (run / "separable-head" / "model" / "model.safetensors").stat().st_mtime_ns == trained


def test_kernels_of_validation_folds_are_compared_with_their_own_number_of_texts(
    analyse_with_figures, tmp_path, tiny_body
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
    output = analyse_with_figures(["geometry"], tmp_path / "run", "--no-twin")
    analysis = json.loads((tmp_path / "run" / "analysis.json").read_text("utf-8"))
    n_texts = analysis["geometry"]["linear"]["texts"]
    assert 0.5 * n_train < n_texts < 0.8 * n_train  # two of three folds
    assert f"√N = {n_texts**0.5:.1f}" in output
    assert f"√N of {n_texts} texts" in (tmp_path / "run" / "analysis.html").read_text("utf-8")


def test_a_file_in_place_of_the_figures_folder_is_refused_before_any_work(run, cli, tmp_path):
    (tmp_path / "figures").write_text("")
    error = cli.refused("analyse", run, "--figures", tmp_path / "figures")
    assert "is a file, and --figures is a folder" in error
    assert not (run / "analysis.json").exists()


def test_a_twin_with_other_settings_is_refused_before_any_work(run, cli):
    config = twin_configs(RunFolder(run).read_config())["separable head"]
    train = config.train.model_copy(update={"lr": 0.123})
    twin = RunFolder(run / "separable-head")
    twin.open_for(config.model_copy(update={"train": train}))
    error = cli.refused("analyse", run)
    assert f"the twin in {twin.path} has other settings than those that this version gives" in error
    assert "They differ in train.lr. Delete that folder to train the twin again" in error
    assert "--out" not in error
    assert not (run / "separable-encoder").exists()
    twin.config_file.write_text("[model]\nold_option = 3\n")
    error = cli.refused("analyse", run)
    assert f"the twin in {twin.path} cannot be read: " in error
    assert error.endswith("Delete that folder to train the twin again, or give --no-twin.")


def test_answers_that_are_missing_are_named_with_their_remedy(run, monkeypatch):
    twins = twin_configs(RunFolder(run).read_config())
    monkeypatch.setattr(
        twin_module,
        "run_experiment",
        lambda config, path, on_event: SimpleNamespace(record="finished", folder=RunFolder(path)),
    )
    path = run / "separable-encoder"
    with pytest.raises(
        UserError, match=r"encoder/predictions\.json is missing.* Delete the folder"
    ):
        train_twins(run, twins, ignore)
    shutil.copytree(run, path)
    (run / "predictions.json").unlink()
    with pytest.raises(UserError, match=r"run/predictions\.json is missing.* Train the run again"):
        train_twins(run, twins, ignore)
    assert train_twins(run, {}, ignore) == {}


@pytest.mark.parametrize("command", ["analyse", "dequantise"])
def test_a_folder_that_cannot_be_written_is_refused_before_any_work(run, cli, monkeypatch, command):
    monkeypatch.setattr(os, "access", lambda place, mode: not mode & os.W_OK)
    error = cli.refused(command, run)
    assert "cannot be written" in error
    remedies = {"analyse": "Analyse a copy", "dequantise": "Choose another one with --out."}
    assert remedies[command] in error
    assert "embedded" not in error


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
        assert (twin.seed, twin.baselines.names) == (config.seed, ())
        assert (twin.train == config.train) == (twin.model.start == config.model.start)
        pairs = [(f(config.model), f(twin.model)) for f in (encoder_template, head_template)]
        changed = pairs["head" in name]
        (unchanged,) = [pair for pair in pairs if pair is not changed]
        assert two_qubit_gates(changed[0]) > 0 == two_qubit_gates(changed[1])
        assert gates(unchanged[0]) == gates(unchanged[1])


def test_a_head_that_starts_at_sines_has_a_twin_with_the_training_of_other_starts():
    preset = load_preset("sines")
    config = preset.config({"train.epochs": 15, "train.start_angle": 0.2})
    twins = twin_configs(config)
    assert twins["separable encoder"].train == config.train
    # the preset's own training of a head with another circuit
    expected = preset.config({"model.ansatz": "separable"}).train
    assert twins["separable head"].train == expected
    assert twin_configs(preset.config({"train.epochs": 60}))["separable head"].train.epochs == 60


def test_a_run_without_the_papers_ansatz_has_no_twin():
    config = RunConfig(model=ModelConfig(ansatz="brickwork"))
    with pytest.raises(UserError, match="only 'paper' has separable twins"):
        twin_configs(config)


def test_twins_of_uneven_labels_are_compared_by_balanced_accuracy(run, cli):
    """Mark the run's labels as uneven, and compute the balanced accuracies by scikit-learn."""
    file = run / "result.json"
    result = json.loads(file.read_text("utf-8"))
    result["models"][0]["balanced"] = True
    file.write_text(json.dumps(result), "utf-8")
    output, _ = cli("analyse", run)
    twins = json.loads((run / "analysis.json").read_text("utf-8"))["twins"]
    for name, twin in twins.items():
        answers = [
            json.loads((folder / "predictions.json").read_text("utf-8"))
            for folder in (run, run / name.replace(" ", "-"))
        ]
        labels = answers[0]["labels"]
        scores = [
            balanced_accuracy_score(labels, next(iter(seed_answers["answers"].values())))
            for seed_answers in answers
        ]
        assert twin["balanced"]["value"] == pytest.approx(scores[0] - scores[1])
        low, high = twin["balanced"]["interval95"]
        assert low < twin["balanced"]["value"] < high
    words = " ".join(output.split())
    assert words.count("balanced points [") == 2
    assert "McNemar" not in words
    assert (run / "analysis.html").read_text("utf-8").count("balanced points [") == 2


def test_the_figure_of_eigenvalues_has_space_above_the_largest_one():
    forms = SimpleNamespace(
        spectra=((-1.0, 0.5, 1.0), (-1.0, -1.0, 1.0)), effective_ranks=(2.8, 3.0)
    )
    (axes,) = draw_spectra(forms).axes
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > 1.05
    assert axes.get_legend() is None, "a legend inside would lie on a line"
