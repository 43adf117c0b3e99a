"""The section noise of a configuration, its flags, its presets, and a whole noisy run."""

import json
from pathlib import Path

import numpy as np
import pytest
from noisy_training import run_command
from small_texts import embed_by_hash, write_corpus

from qllmft.config import NoiseConfig, RunConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.run import RunFolder, vectors
from qllmft_backends import create
from qllmft_backends.noise import PRESETS, GateNoise
from qllmft_base.errors import UserError


def parse_noise(**noise) -> RunConfig:
    return parse_config({"noise": noise}, "the test")


CHOICES = {
    "renormalize": True,
    "shot_test": "multinomial",
    "rate": "nonidentity",
    "draw": "batch",
    "uploads": False,
}


def test_choices_are_written_and_reach_the_backend():
    noise_config = parse_noise(gates="paper_high", shots=8192, **CHOICES)
    assert parse_config(noise_config.model_dump(mode="json"), "the test") == noise_config
    backend = create("adjoint", noise_config.noise.backend_options)
    assert backend.options.model_dump(include=set(CHOICES)) == CHOICES


@pytest.mark.parametrize("name", PRESETS)
def test_the_section_becomes_options_of_the_engine(name):
    noise = create("adjoint", NoiseConfig(gates=name, shots=8192).backend_options).options
    assert noise.gate_noise == PRESETS[name]
    assert (noise.shots, noise.shot_model, noise.trajectories) == (8192, "gaussian", 1)
    assert NoiseConfig().backend_options == {}
    explicit = NoiseConfig(
        gates="explicit", one_qubit_rate=0.1, two_qubit_rate=0.2, readout_error=0.05, trajectories=4
    )
    noise = create("adjoint", explicit.backend_options).options
    assert (noise.gate_noise, noise.shots, noise.trajectories) == (
        GateNoise(0.1, 0.2, 0.05),
        None,
        4,
    )


@pytest.mark.parametrize("word", ["low", "high"])
@pytest.mark.parametrize("n_qubits", [10, 12, 14, 16, 18])
def test_figure_11_is_the_single_encoder_with_noise(word, n_qubits):
    noisy = load_preset(f"noise-{word}-{n_qubits}q").config()
    assert noisy.noise == NoiseConfig(gates=f"paper_{word}", shots=8192, shot_test="per_shot")
    plain = load_preset(f"single-{n_qubits}q").config()
    assert noisy.model_copy(update={"noise": NoiseConfig(shots=8192)}) == plain


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"noise": {"gates": "aria"}}, "noise.gates .got 'aria'."),
        ({"noise": {"shots": 1}}, "shots is 1. Give 2 or more"),
        ({"noise": {"shots": -5}}, "noise.shots .got -5."),
        (
            {"noise": {"gates": "explicit", "two_qubit_rate": 0.1}},
            "noise: gates='explicit', got .* It needs both one_qubit_rate and two_qubit_rate",
        ),
        (
            {"noise": {"one_qubit_rate": 0.1}},
            "would not be used with gates='none'. Choose 'explicit'",
        ),
        ({"noise": {"readout_error": 0.7}}, "noise.readout_error .got 0.7."),
        ({"noise": {"shot_model": "exact"}}, "noise.shot_model .got 'exact'."),
        (
            {"noise": {"shots": 100}, "backend": {"name": "aer_forte"}},
            "'aer_forte' has its own noise and shots. Set them in backend.options",
        ),
        (
            {"backend": {"options": {"shots": 10, "noise": "forte1"}}},
            "noise of training belongs to the section noise. Move noise, shots of the backend there",
        ),
        (
            {"noise": {"renormalize": True, "draw": "batch"}},
            "renormalize and draw would not be used: ",
        ),
        ({"noise": {"rate": "process"}}, "noise.rate .got 'process'."),
        ({"backend": {"options": {"uploads": False}}}, "Move uploads of the backend there"),
        (
            {"noise": {"shots": 10}, "model": {"head": "mlp", "encoder": "none"}},
            "noise acts on a quantum head",
        ),
        (
            {"noise": {"shots": 10, "readout_error": 0.1}, "model": {"readout": 2}},
            "products of Z share qubits. Set noise.shot_model to 'multinomial'",
        ),
    ],
)
def test_what_does_not_fit_is_named(tree, message):
    with pytest.raises(UserError, match=message):
        parse_config(tree, "the test")


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    monkeypatch.setattr(vectors, "embed", embed_by_hash)
    settings = (
        "data.n_per_label=20",
        "model.n_qubits=3",
        "model.encoder_layers=2",
        "model.reuploads=2",
    )
    texts = write_corpus(tmp_path / "texts.tsv")
    return [
        *(
            "train",
            "--preset",
            "noise-high-10q",
            "--data",
            str(texts),
            "--out",
            str(tmp_path / "run"),
        ),
        *("--epochs", "3", "--no-baselines", *(word for s in settings for word in ("--set", s))),
    ]


def test_a_noisy_run_from_the_command_line(arguments, tmp_path, capsys):
    assert (
        run_command(
            [
                *arguments,
                "--noise",
                "paper_low",
                "--shots",
                "64",
                "--set",
                "noise.readout_error=0.01",
            ]
        )
        == 0
    )
    assert "quantum head without its circuit's noise: validation" in " ".join(
        capsys.readouterr().out.split()
    )
    folder = RunFolder(tmp_path / "run")
    noise = NoiseConfig(gates="paper_low", shots=64, readout_error=0.01, shot_test="per_shot")
    assert folder.read_config().noise == noise
    assert folder.read_result().noise == noise
    (row,) = folder.read_result().to_json()["models"]
    assert all(0 <= row[key] <= 1 for key in ("validation_exact", "test_exact"))
    assert [m.epoch for m in folder.metrics()] == [1, 2, 3]
    assert all(m.score_exact is not None for m in folder.metrics())


def test_without_noise_nothing_of_it_is_recorded(arguments, tmp_path):
    assert run_command([*arguments, "--noise", "none", "--shots", "0"]) == 0
    result = RunFolder(tmp_path / "run").read_result().to_json()
    assert "noise" not in result
    assert not {"validation_exact", "test_exact"} & result["models"][0].keys()
    assert [m.score_exact for m in RunFolder(tmp_path / "run").metrics()] == [None] * 3


def test_gate_noise_without_shots_drops_the_presets_choice_about_shots():
    exact = load_preset("noise-low-10q").config({"noise.shots": 0}).noise
    assert exact == NoiseConfig(gates="paper_low")
    assert create("adjoint", exact.backend_options).options.shots is None


def test_true_shots_with_a_trajectory_each_have_words_and_an_identity_of_their_own(
    arguments, tmp_path, capsys
):
    assert run_command([*arguments, "--set", "noise.shot_test=per_shot", "--shots", "30"]) == 0
    record = RunFolder(tmp_path / "run").read_result()
    assert record.trajectories == "30 shots, one error trajectory each"
    assert record.trajectories in " ".join(capsys.readouterr().out.split())
    identities = {
        parse_noise(gates="paper_high", shots=30, **options).identity
        for options in ({}, {"shot_test": "per_shot"})
    }
    assert len(identities) == 2


def test_the_page_of_noise_has_both_measurements_of_the_kept_heads():
    docs = Path(__file__).parents[3] / "docs"
    head_records = json.loads((docs / "records" / "noise-shots.json").read_text("utf-8"))
    page = (docs / "noise.md").read_text("utf-8")
    rates = ("paper_low", "paper_high")
    kinds = {(row["qubits"], row["gates"]) for row in head_records}
    assert kinds == {(qubits, gates) for qubits in (10, 12) for gates in rates}
    gains = []
    flips = {"per_shot": [], "same": []}
    for qubits, gates in kinds:
        rows = [row for row in head_records if (row["qubits"], row["gates"]) == (qubits, gates)]
        assert [row["seed"] for row in rows] == [8, 9, 10, 11, 12]
        gains.append(
            np.mean([row["per_shot"]["right"] - row["same"]["right"] for row in rows]) / 20
        )
        for name, shares in flips.items():
            shares.append(sum(row[name]["flips"] for row in rows) / 100)
    ranges = [f"{min(shares):.2f} to {max(shares):.2f}" for shares in (*flips.values(), gains)]
    differ = "labels that differ from those of exact values"
    assert f"| {differ}, per shot | {ranges[0]} % |" in page
    assert f"| {differ}, same | {ranges[1]} % |" in page
    assert f"| difference of the two accuracies, paired by seed | {ranges[2]} points |" in page
