"""Figure 11 in a second: three runs a point, the table, the figure, going on after an interruption."""

import json

import pytest
from noisy_training import embed_by_hash, write_texts

from qllmft.cli.main import main
from qllmft.errors import UserError
from qllmft.run import experiment
from qllmft.studies import noise
from qllmft.studies.noise import STUDIES, NoiseStudy, Point, configurations, study, table

SMALL = ("data.n_per_label=20", "model.n_qubits=3", "model.encoder_layers=2", "model.reuploads=2")


def test_figure_11_in_small_is_18_runs_of_18_identities():
    runs = list(configurations(study("fig11-small"), {}))
    assert len(runs) == 18
    assert len({config.identity for *_, config in runs}) == 18
    assert {(q, n, config.noise.gates, config.noise.shots) for q, n, _, config in runs} == {
        (q, n, g, s)
        for q in (10, 12)
        for n, g, s in (("none", "none", 0), ("low", "paper_low", 8192), ("high", "paper_high", 8192))
    }
    assert {config.seed for *_, config in runs} == {0, 1, 2}
    assert {config.train.epochs for *_, config in configurations(study("fig11-small"), {"train.epochs": 7})} == {7}
    with pytest.raises(UserError, match="no noise study 'fig12'; expected one of fig11-small, fig11"):
        study("fig12")


def test_a_point_has_the_mean_and_its_standard_error():
    point = Point(10, "low", (0.8, 0.82, 0.84), (0.9, 0.9, 0.9))
    assert (point.mean, point.standard_error) == pytest.approx((0.82, 0.02 / 3**0.5))
    assert "| 10 | 1e-4 (1Q), 1e-3 (2Q) | 82.00 ± 1.15 | 90.00 |" in table([point])
    assert Point(10, "low", (0.8,), (0.9,)).standard_error == 0.0


def test_the_command_trains_draws_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(experiment, "embed", embed_by_hash)
    monkeypatch.setitem(STUDIES, "fig11-small", NoiseStudy((10,), seeds=(0, 1), epochs=2))
    texts = write_texts(tmp_path / "texts.tsv")
    arguments = ["study", "noise", "--data", str(texts), "--out", str(tmp_path / "study")]
    arguments += [word for s in SMALL for word in ("--set", s)]
    for _ in range(2):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert not end.value.code
    assert len(list((tmp_path / "study" / "runs").iterdir())) == 6
    assert "This run is finished already" in " ".join(capsys.readouterr().out.split())
    rows = json.loads((tmp_path / "study" / "noise.json").read_text())
    assert [(row["qubits"], row["noise"], len(row["accuracies"])) for row in rows] == [
        (10, "none", 2),
        (10, "low", 2),
        (10, "high", 2),
    ]
    assert rows[0]["accuracies"] == rows[0]["exact"]
    svg = (tmp_path / "study" / "noise.svg").read_text()
    assert "<svg" in svg
    assert noise.LABELS["high"]
