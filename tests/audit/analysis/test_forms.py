import numpy as np
import pytest
import torch
from qiskit.quantum_info import Operator, SparsePauliOp

from qllmft.heads import DataMap, ParallelEncoders, QuantumEncoder
from qllmft_audit.forms import FormsResult, compute_forms

D = 6
QUBITS = 4


def encoders(pad, odd=False, data_map=None):
    generator = torch.Generator().manual_seed(5)
    parts = [
        QuantumEncoder(D, QUBITS, outputs, 3, pad=pad, odd=odd, generator=generator).double()
        for outputs in (3, 2)
    ]
    return ParallelEncoders(parts, data_map)


@pytest.mark.parametrize(("pad", "odd"), [("zeros", False), ("bias", False), ("bias", True)])
def test_forms_give_the_latent_vector(pad, odd):
    model = encoders(pad, odd)
    x = torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    latent = compute_forms(model).latent(x.numpy())
    assert latent.shape == (20, 5)
    np.testing.assert_allclose(latent, model(x).detach().numpy(), atol=1e-12)


def test_a_form_is_the_observable_in_the_heisenberg_picture():
    model = encoders("bias")
    part = model.encoders[0]
    unitary = Operator(part.circuit.assign_parameters(part.theta.detach().numpy())).data
    for q in range(3):
        z = SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], num_qubits=QUBITS).to_matrix()
        expected = (unitary.conj().T @ z @ unitary)[: D + 1, : D + 1]
        np.testing.assert_allclose(compute_forms(model).matrices[q], expected, atol=1e-12)


def test_an_odd_encoder_is_linear_in_the_unit_embedding():
    data_map = DataMap(D, D).double()
    data_map.fit(torch.randn(30, D, generator=torch.Generator().manual_seed(2)))
    model = encoders("bias", odd=True, data_map=data_map)
    x = torch.randn(9, D, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    unit = torch.nn.functional.normalize(model.map_embeddings(x), dim=1).numpy()
    np.testing.assert_allclose(
        unit @ compute_forms(model).linear.T, model(x).detach().numpy(), atol=1e-12
    )


def test_spectra_are_those_of_a_restricted_reflection():
    model = encoders("zeros")
    x = torch.randn(20, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    forms = FormsResult.compute(model, x)
    assert (forms.dimension, forms.linear, forms.texts) == (D, False, 20)
    assert forms.largest_error < 1e-12
    rows = zip(forms.spectra, forms.effective_ranks, forms.ranks_of_weight, strict=True)
    for matrix, (spectrum, rank, count) in zip(compute_forms(model).matrices, rows, strict=True):
        sizes = np.linalg.svd(matrix, compute_uv=False)
        np.testing.assert_allclose(sorted(map(abs, spectrum), reverse=True), sizes, atol=1e-12)
        assert sizes[0] <= 1 + 1e-12
        shares = sizes / sizes.sum()
        assert rank == pytest.approx(np.prod(shares**-shares))
        weights = np.cumsum(sizes**2) / (sizes**2).sum()
        assert weights[count - 1] >= 0.99 > (weights[count - 2] if count > 1 else 0)
