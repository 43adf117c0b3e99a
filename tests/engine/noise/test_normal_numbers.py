"""The generator of eq. 2's ε: published words, the normal distribution, independence."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, norm

from qllmft_engine.compiled.normals import box_muller, fill_normal, threefry
from qllmft_engine.engine import GaussianShots

SIZE = 2**20


def words(*values: int) -> list[np.uint32]:
    return [np.uint32(value) for value in values]


def draw_numbers(
    stream: int = 0, *, seed: int = 5, size: int = SIZE, dtype: str = "float32"
) -> np.ndarray:
    out = np.empty(size, dtype)
    fill_normal(*words(seed & 0xFFFFFFFF, seed >> 32, stream), out)
    return out


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers_of_its_authors(key, counter, expected):
    assert threefry(*words(*key, *counter)) == expected


@pytest.mark.parametrize(
    "x", [0, 1, 255, 256, 2**31, 0x54321012, 2**32 - 513, 2**32 - 512, 2**32 - 1]
)
@pytest.mark.parametrize(
    "y", [0, 1, 2, 3, 0x12345678, 0x12345679, 0x1234567A, 0x1234567B, 2**31, 2**32 - 1]
)
def test_box_muller_against_its_formula_in_float64(x, y):
    uniform = ((x >> 9) + 0.5) / 2**23
    angle = (((y >> 9) + 0.5) / 2**23 - 0.5) * np.pi / 2
    cos, sin = (np.cos(angle), np.sin(angle)) if y % 2 == 0 else (np.sin(angle), np.cos(angle))
    expected = np.sqrt(-2 * np.log(uniform)) * np.array([cos, sin]) * (1 if y & 2 == 0 else -1)
    np.testing.assert_allclose(box_muller(*words(x, y)), expected, rtol=1e-6)


@pytest.mark.parametrize("half", [slice(None, SIZE // 2), slice(SIZE // 2, None)])
def test_each_half_is_normal(half):
    """The whole distribution, and its far tails, where Kolmogorov and Smirnov's test has no power."""
    x = draw_numbers()[half].astype(np.float64)
    assert kstest(x, "norm").pvalue > 1e-5
    for bound in (2.5, 3.5):
        expected = len(x) * norm.sf(bound)
        for seen in ((x > bound).sum(), (x < -bound).sum()):
            assert abs(seen - expected) < 4.5 * np.sqrt(expected)


def test_numbers_streams_and_seeds_are_independent():
    """Correlations of numbers and of their squares: normal with deviation 1/sqrt(N), each within 5 of it."""
    x = draw_numbers()
    half = SIZE // 2
    pairs = {
        "partner": (x[:half], x[half:]),
        "neighbour": (x[:-1], x[1:]),
        "lane": (x[:-16], x[16:]),
        "stream": (x, draw_numbers(1)),
        "seed": (x, draw_numbers(seed=6)),
        "seed's upper word": (x, draw_numbers(seed=5 + 2**32)),
    }
    for name, (a, b) in pairs.items():
        for power in (1, 2):
            correlation = np.corrcoef(a.astype(np.float64) ** power, b.astype(np.float64) ** power)[
                0, 1
            ]
            assert abs(correlation) * np.sqrt(len(a)) < 5, f"{name}, power {power}"


def test_the_dtype_changes_nothing_but_the_dtype():
    np.testing.assert_array_equal(
        draw_numbers(3, size=48, dtype="float64"), draw_numbers(3, size=48)
    )


def test_a_part_of_a_pass_has_the_numbers_of_the_whole():
    shots = GaussianShots(8, seed=2**40 + 7)
    size = 64
    all_numbers = np.empty(size, np.float32)
    part_numbers = np.empty(size, np.float32)
    for out, (low, high, first), chunk in (
        (all_numbers, shots.stream, 3),
        (part_numbers, replace(shots, first_chunk=2).stream, 1),
    ):
        fill_normal(np.uint32(low), np.uint32(high), np.uint32(first + chunk), out)
    np.testing.assert_array_equal(all_numbers, part_numbers)
    np.testing.assert_array_equal(all_numbers, draw_numbers(3, seed=2**40 + 7, size=size))
