"""What training needs: memory by hand, too much of it refused before any step, processor time of an epoch."""

from types import SimpleNamespace

import pytest

from qllmft.config import parse_config
from qllmft.config.presets import load_preset
from qllmft.run import SharedInputs, needs
from qllmft_base.errors import UserError
from qllmft_studies.search_space import load_space
from qllmft_studies.sweep import estimate_epoch_times, make_sweep


@pytest.mark.parametrize(
    ("model", "states"),
    [
        ({"n_qubits": 4}, 3 * 2**4),
        ({"n_qubits": 4, "n_encoders": 2, "encoder_qubits": 6}, 3 * 2**6 + 2**4),
    ],
)
def test_memory_of_a_step_and_what_does_not_fit(monkeypatch, model, states):
    config = parse_config({"model": model}, "the test")
    assert needs.check_memory(config, 3, 2) == 3 * 4 * states
    monkeypatch.setattr(
        needs.psutil, "virtual_memory", lambda: SimpleNamespace(available=2 * 4 * states)
    )
    with pytest.raises(UserError, match=r"2 texts fit\. Set train\.batch_size"):
        needs.check_memory(config, 3, 2)


def test_the_memory_is_that_of_all_registers_which_the_labels_need():
    config = load_preset("sines").config({})
    model = config.model.for_labels(77)
    assert (model.n_qubits, model.registers) == (96, 12)
    encoders = 2 * 96  # each with the constant and with its negative
    states = (encoders * 2**8) + 12 * 2**8 + 2**8
    assert needs.check_memory(config, 3, 77) == 3 * 4 * states


def test_a_search_is_the_sum_of_its_structures(monkeypatch, tiny_body, tmp_path):
    (tmp_path / "texts.tsv").write_text(
        "text\tlabel\n" + "".join(f"a good film {i}\t{i % 2}\n" for i in range(60))
    )
    timed = []
    monkeypatch.setattr(
        "qllmft_studies.sweep.epoch_core_seconds",
        lambda config, *sizes: timed.append(sizes) or 2.0,
    )
    overrides = {
        "data.source": str(tmp_path / "texts.tsv"),
        "data.n_per_label": 10,
        "body.model": str(tiny_body),
    }
    plan = make_sweep(load_space("table-06"), "grid", overrides, seeds=2)
    epoch_times = estimate_epoch_times(plan, SharedInputs())
    assert [config.model.n_qubits for config, _, _ in epoch_times] == [10, 12, 14, 16, 18]
    assert {(epochs, seconds) for _, epochs, seconds in epoch_times} == {(6 * 2 * 800, 2.0)}
    assert {(d, k, sizes["train"]) for d, k, sizes in timed} == {(16, 2, 17)}
