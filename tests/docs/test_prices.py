"""The ceilings of the pages' paid commands fit the tool's own estimate of their price."""

import re
from pathlib import Path

import numpy as np
import pytest

from qllmft.config.presets import load_preset
from qllmft.templates import head_template
from qllmft_backends import create

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
ROOT = Path(__file__).parents[2]
NUMBERS = ("limit", "shots", "max-cost")


def paid_commands():
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for line in re.findall(
            r"^qllmft predict .*--max-cost.*$", page.read_text("utf-8"), re.MULTILINE
        ):
            yield pytest.param(
                *(float(re.search(rf"--{name} (\d+)", line)[1]) for name in NUMBERS), id=page.name
            )


PAID = list(paid_commands())


def test_the_pages_have_paid_commands():
    assert len(PAID) >= 2


@pytest.mark.parametrize(("limit", "shots", "ceiling"), PAID)
def test_a_ceiling_is_above_the_price_and_not_far_above(limit, shots, ceiling, tmp_path):
    circuit = head_template(load_preset("sines").config().model)
    backend = create(
        "ionq_forte", {"shots": int(shots), "ledger": tmp_path / "ledger", "max_cost": ceiling}
    )
    estimate = backend.estimate(
        circuit, np.zeros((int(limit), circuit.num_parameters)), offline=True
    )
    assert estimate.refusal == ""
    assert ceiling / 2 < estimate.price <= ceiling
