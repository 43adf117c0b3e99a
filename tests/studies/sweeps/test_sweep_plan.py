"""Plans: which configurations, in which order, under which names."""

import itertools
import math

import pytest
from small_sweeps import settings

from qllmft.config.presets import load_preset
from qllmft.config.toml_files import validate_content
from qllmft_base.errors import UserError
from qllmft_studies.search_space import Space, load_space
from qllmft_studies.sweep import make_sweep


def plan(sampler="grid", name="table-11", trials=None, seeds=1, **overrides):
    return make_sweep(load_space(name), sampler, settings(**overrides), trials=trials, seeds=seeds)


def test_a_setting_that_is_given_is_no_longer_varied():
    sweep = plan()
    assert [p.name for p in sweep.parameters] == ["model.main_layers", "model.reupload_layers"]
    assert len(sweep.points) == 9
    assert {
        config.train.lr for point in sweep.points.values() for config in sweep.configurations(point)
    } == {0.02}


def test_points_are_named_by_their_configuration():
    sweep = plan()
    for identity, point in sweep.points.items():
        (config,) = sweep.configurations(point)
        assert config.identity == identity
        assert (config.model.main_layers, config.model.reupload_layers) == tuple(point.values())


def test_a_longer_quasi_monte_carlo_search_begins_with_the_shorter_one():
    short, long = (plan("qmc", "table-13", trials=n, **{"train.lr_decay": 1.0}) for n in (8, 20))
    assert len(short.points) == 8
    assert list(long.points)[:8] == list(short.points)


def test_quasi_monte_carlo_spreads_over_the_scale_and_the_levels():
    overrides = {key: value for key, value in settings().items() if key != "train.lr"}
    sweep = make_sweep(load_space("table-12"), "qmc", overrides, trials=16, seeds=1)
    rates = sorted(point["train.lr"] for point in sweep.points.values())
    assert rates[0] > 0.5e-3
    assert rates[-1] < 5e-3
    eighths = [0.5e-3 * 10 ** (i / 8) for i in range(9)]
    for low, high in itertools.pairwise(eighths):
        # a Sobol' sequence: two of sixteen in each eighth
        assert sum(low <= rate < high for rate in rates) == 2
    assert sum(point["model.final_linear"] for point in sweep.points.values()) == 8


def test_few_levels_have_fewer_points_than_were_asked_for():
    assert len(plan("qmc", trials=30).points) == 9
    assert plan("qmc", trials=30).size == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.main_layers": 2, "model.reupload_layers": 1}, "fixes every parameter of table-11"),
        ({"model.connectivity": 4}, "main_layers = 2.* connectivity below|connectivity 4"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        plan(**change)


def test_a_part_of_settings_that_go_together_cannot_be_fixed(tmp_path):
    space = tmp_path / "mine.toml"
    space.write_text(
        'title = "mine"\npreset = "single-10q"\n[[parameters]]\nname = "layers"\n'
        'settings = ["model.main_layers", "model.reuploads"]\nvalues = [[1, 2], [2, 3]]\n'
    )
    with pytest.raises(UserError, match=r"go together: model.main_layers, model.reuploads"):
        plan(name=str(space), **{"model.main_layers": 1})


def large(*sizes, **changes):
    """Return a search space with so many levels of learning settings."""
    names = ("train.lr", "train.weight_decay", "train.embedding_noise", "train.body_lr")
    parameters = [
        {"setting": name, "values": [(i + 1) / 1e4 for i in range(size)]}
        for name, size in zip(names, sizes, strict=False)
    ]
    tree = {"name": "large", "title": "t", "preset": "single-10q", "parameters": parameters}
    return validate_content(Space, tree | changes, "large")


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((200,) * 4, {"sampler": "grid"}, "times --seeds: got 1,600,000,000, expected at most 20,000. Leave"),
        ((200,) * 4, {"sampler": "tpe"}, "points of the grid: got 1,600,000,000"),
        ((2,), {"sampler": "grid", "seeds": 10**9}, "--seeds: got 2,000,000,000"),
        ((2,), {"sampler": "qmc", "trials": 10**9}, "--seeds: got 1,000,000,000"),
        ((2,), {"sampler": "tpe", "trials": 10**400}, "--seeds: got 1"),
    ],
)  # fmt: skip
def test_a_search_of_too_many_points_is_refused_before_the_first(sizes, options, message):
    with pytest.raises(UserError, match=message):
        make_sweep(large(*sizes), overrides={}, **options)


def test_a_sequence_on_few_levels_ends_when_each_was_met():
    assert len(make_sweep(large(3), "qmc", {}, trials=20_000).points) == 3


NO_NUMBER = r"train\.lr: a value is .* expected a finite number"


@pytest.mark.parametrize(
    ("value", "scale", "message"),
    [
        *(
            (value, scale, NO_NUMBER)
            for value in (math.nan, math.inf, -math.inf)
            for scale in (None, "log")
        ),
        (10**400, None, r"values is 1000000000\.\.\., expected an integer of at most"),
    ],
)
def test_a_value_that_is_no_finite_number_is_refused(value, scale, message):
    parameter = {"setting": "train.lr", "values": [0.1, value], "scale": scale}
    with pytest.raises(UserError, match=message):
        large(parameters=[parameter])


def test_a_fault_of_one_configuration_is_found_before_any_work():
    """Only one corner of the grid is impossible: seven values from one encoder of six qubits."""
    with pytest.raises(
        UserError,
        match=r"sweep table-07, model.n_qubits = 14, train.lr = 0.001.*must yield 7 values",
    ):
        make_sweep(
            load_space("table-07"), "grid", {"model.encoder_qubits": 6}, trials=None, seeds=1
        )


def test_the_runs_of_a_search_are_checked_and_not_its_preset_alone():
    """Nine encoder qubits go with each number that is searched, and not with the preset's ten."""
    space = {
        "name": "mine",
        "title": "t",
        "preset": "single-10q",
        "parameters": [{"setting": "model.n_qubits", "values": [4, 6, 8]}],
    }
    overrides = {"model.encoder_qubits": 9}
    with pytest.raises(UserError, match="encoder_qubits"):
        load_preset("single-10q").config(overrides)
    for sampler in ("grid", "tpe", "qmc"):
        sweep = make_sweep(Space.model_validate(space), sampler, overrides)
        configs = [sweep.configurations(point)[0] for point in sweep.listed_points]
        assert sorted(config.model.n_qubits for config in configs) == [4, 6, 8]
        assert {config.model.encoder_qubits for config in configs} == {9}
