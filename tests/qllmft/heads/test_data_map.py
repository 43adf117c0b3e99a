"""The data map: mean and principal axes by another route, and the numbers that it stores."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import DataMap, build_classifier

X = np.random.default_rng(0).normal(size=(40, 6)) * (5, 4, 3, 2, 1, 0.5) + 2.0


@pytest.mark.parametrize("components", [3, 6, 9])
def test_it_is_what_a_singular_value_decomposition_gives(components):
    data_map = DataMap(6, components)
    data_map.fit(torch.from_numpy(X))
    shifted = X - X.mean(axis=0)
    axes = np.linalg.svd(shifted)[2][: min(components, 6)].T
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    components_of_rows = data_map(torch.from_numpy(X))
    assert components_of_rows.dtype == torch.float64
    np.testing.assert_allclose(components_of_rows.numpy(), shifted @ axes, atol=1e-5)
    assert data_map.n_stored == 6 + 6 * min(components, 6)


def test_the_unit_is_eight_usual_lengths():
    for components in (None, 3):
        data_map = DataMap(6, components, scaled=True)
        data_map.fit(torch.from_numpy(X))
        lengths = np.linalg.norm(X - X.mean(axis=0) * (components is not None), axis=1)
        unscaled = DataMap(6, components)
        unscaled.fit(torch.from_numpy(X))
        np.testing.assert_allclose(
            data_map(torch.from_numpy(X)).numpy() * 8 * np.sqrt(np.mean(lengths**2)),
            unscaled(torch.from_numpy(X)).numpy(),
            rtol=1e-5,
            atol=1e-5,
        )
    data_map.fit(torch.zeros(4, 6, dtype=torch.float64))
    assert float(data_map.unit) == 1.0


def test_fewer_texts_than_axes_still_give_a_basis():
    data_map = DataMap(6, 6)
    data_map.fit(torch.from_numpy(X[:3]))
    np.testing.assert_allclose((data_map.axes.T @ data_map.axes).numpy(), np.eye(6), atol=1e-6)


def test_a_model_counts_none_of_its_numbers_as_parameters():
    plain = ModelConfig(n_qubits=3, encoder_layers=2, pad="bias")
    model = build_classifier(plain.model_copy(update={"components": 4}), 6, 2)
    assert model.n_parameters == build_classifier(plain, 6, 2).n_parameters
    assert {"encoder.data_map.mean", "encoder.data_map.axes"} <= model.state_dict().keys()
    assert build_classifier(ModelConfig(n_qubits=3), 6, 2).data_map is None
