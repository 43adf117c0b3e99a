"""The plug-in of `make test-processors`: its noise is that of a last bit, and reaches what it names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
FOLDER = ROOT / "tests" / "perturbation"
sys.path.append(str(FOLDER))

from last_bits import NOISE, VARIABLE, perturb  # noqa: E402


def draw(body_folder):
    """Return drawn weights, and the embedding of a text."""
    import torch

    from qllmft.config import BodyConfig
    from qllmft.embed import Body
    from qllmft.heads import initial_angles, linear, quantum

    generator = torch.Generator().manual_seed(0)
    layer = linear(8, 8, generator)
    angles = [initial_angles(8, generator), quantum.initial_angles(8, generator)]
    weights = [weight.detach().numpy() for weight in (layer.weight, layer.bias, *angles)]
    return [
        *weights,
        Body(BodyConfig(model=str(body_folder), device="cpu")).encode(["a good film"]),
    ]


def test_noise_is_small_follows_the_seed_and_spares_zeros():
    vectors = np.random.default_rng(0).normal(size=(5, 384)).astype(np.float32)
    vectors[2, :7] = 0.0
    noise = perturb(vectors, 1).astype(np.float64) - vectors
    rounding = np.finfo(np.float32).eps * np.abs(vectors)
    assert (np.abs(noise) <= NOISE * (1.0 + np.abs(vectors)) + rounding).all()
    assert noise.std() > NOISE / 2
    assert not noise[2, :7].any()
    assert (perturb(vectors, 2) != perturb(vectors, 1)).mean() > 0.5
    np.testing.assert_array_equal(perturb(vectors[3:4], 1)[0], perturb(vectors, 1)[3])


@pytest.mark.slow
def test_a_process_that_a_test_starts_has_the_noise(tiny_body, tmp_path):
    file = tmp_path / "noise.npz"
    code = (
        f"import sys; sys.path.append({str(HERE)!r}); import numpy, test_perturbation; "
        f"numpy.savez({str(file)!r}, *test_perturbation.draw({str(tiny_body)!r}))"
    )
    setting = {"PYTHONPATH": str(FOLDER), VARIABLE: "7"}
    subprocess.run([sys.executable, "-c", code], env=os.environ | setting, check=True)
    with np.load(file) as arrays:
        noisy_values = list(arrays.values())
    # this process has noise of its own where the suite is tested with another seed
    for first, second in zip(draw(tiny_body), noisy_values, strict=True):
        assert (first != second).any()
        np.testing.assert_allclose(first, second, rtol=6 * NOISE, atol=2 * NOISE)


def test_all_settings_of_the_makefile_are_tried():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (names,) = re.findall(r"^PROCESSORS \?= (.+)$", makefile, re.MULTILINE)
    assert names.split() == re.findall(r"^SETTINGS_(\S+) = ", makefile, re.MULTILINE)
    assert len(names.split()) == 6
    assert "its six settings" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
