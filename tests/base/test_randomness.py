"""One seed, many consumers: every generator is derived by name and disturbs no other."""

import hashlib

import numpy as np
import pytest
import torch

from qllmft_base.randomness import derive_seed, numpy_generator, torch_generator

CONSUMERS = [
    ("split",),
    ("weights", "head"),
    ("weights", "final"),
    ("weights", "encoder"),
    ("weights", "encoder", 0),
    ("weights", "encoder", 1),
    ("shuffle", 1),
    ("shuffle", 2),
    ("embedding noise", 1),
]


@pytest.mark.parametrize(
    ("arguments", "digest"),
    [  # the first 16 hexadecimal digits of: printf TEXT | sha256sum
        ((0, "split"), "68a30a9f8b07670a"),
        ((7, "weights", "encoder", 1), "14be402115e6ce9e"),
        ((123456789, "shuffle", 800), "945036047de9a803"),
    ],
)
def test_a_seed_is_63_bits_of_a_sha256_the_same_on_every_machine(arguments, digest):
    by_hand = int("".join(reversed([digest[i : i + 2] for i in range(0, 16, 2)])), 16) // 2
    assert derive_seed(*arguments) == by_hand
    assert hashlib.sha256("/".join(map(str, arguments)).encode()).hexdigest().startswith(digest)


def test_every_consumer_and_every_seed_has_a_seed_of_its_own():
    seeds = {derive_seed(seed, *names) for seed in range(50) for names in CONSUMERS}
    assert len(seeds) == 50 * len(CONSUMERS)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # the high bit is used


def test_generators_repeat_themselves_and_differ_from_each_other():
    def torch_numbers(seed, *names):
        return tuple(torch.rand(8, generator=torch_generator(seed, *names)).tolist())

    def numpy_numbers(seed, *names):
        return tuple(numpy_generator(seed, *names).random(8))

    for draw in (torch_numbers, numpy_numbers):
        numbers = {names: draw(5, *names) for names in CONSUMERS}
        assert numbers == {names: draw(5, *names) for names in CONSUMERS}
        assert len({*numbers.values(), draw(6, *CONSUMERS[0])}) == len(CONSUMERS) + 1


def test_deriving_leaves_the_global_generators_alone():
    np_state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator is what is looked at
    torch_state = torch.get_rng_state()
    torch.rand(3, generator=torch_generator(0, "a"))
    numpy_generator(0, "a").random(3)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], np_state)  # noqa: NPY002
