"""Gates that the engine does in one pass: chains, rows and bridges, against Statevector and the shift rule."""

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case
from reference_circuits import reuploading, walks

from qllmft_engine import lower
from qllmft_engine.program.schedule import Shape, make_schedule


def case(circuit, samples: int) -> Case:
    values = np.random.default_rng(circuit.num_qubits).uniform(
        -np.pi, np.pi, (samples, circuit.num_parameters)
    )
    return Case(circuit, values)


@PRECISIONS
@pytest.mark.parametrize(
    "walk", [case(walks(4), 3), case(walks(8), 3)], ids=["4 qubits", "8 qubits"]
)
def test_walks_have_the_values_and_the_gradients_of_the_statevector(walk, dtype, tolerance):
    walk.check(dtype, tolerance, (1, 2, 3, 5))


RING = case(reuploading(10, uploads=1), 1)


@PRECISIONS
def test_an_encoding_and_its_rings_at_ten_qubits(dtype, tolerance):
    """More than one block of registers is measured even where a chunk holds one sample."""
    RING.check(dtype, tolerance)


TRIPLES = {Shape.CHAIN_3, Shape.ROTATIONS_3, Shape.HALF_CHAIN_3, Shape.HALF_ROTATIONS_3}


@pytest.mark.parametrize(("backward", "missing"), [(False, set()), (True, TRIPLES)])
def test_those_walks_reach_every_shape_for_every_length_of_a_chunk(backward, missing):
    program = lower(walks(8))
    for itemsize, width, batch in (
        (4, 16, 1),
        (4, 16, 2),
        (4, 16, 4),
        (4, 16, 8),
        (8, 8, 1),
        (8, 8, 4),
    ):
        schedule = make_schedule(program, batch, width, itemsize, backward=backward)
        assert set(schedule.steps[:, 0].tolist()) == set(Shape) - missing, (
            f"L = {batch}, {itemsize} bytes"
        )
