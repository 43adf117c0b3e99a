"""Search spaces against the paper's tables, written here a second time; every configuration is a valid one."""

import pytest

from qllmft.config.presets import load_preset
from qllmft.config.settings import find_differing
from qllmft_base.errors import UserError
from qllmft_studies.file import campaign_names
from qllmft_studies.grid import Parameter, grid
from qllmft_studies.search_space import Space, load_space
from qllmft_studies.sweep import make_sweep

QUBITS = [10, 12, 14, 16, 18]
DECAYS = [1.0, 0.99, 0.95]
PENALTIES = [0.0, 1e-6, 1e-5, 1e-4, 1e-3]
NETWORKS = [0, 48, 96, 144, 192]
TEN_RATES = [0.1, 0.5, 1, 1.5, 2, 2.5, 3, 5, 10, 20]
# values of the paper's rows with more than one; learning rates in thousandths
RATES = {"three": [2, 2.5, 5], "six": [1, 1.5, 2, 2.5, 3, 5]}
NETWORK = {"model.hidden_dim": NETWORKS, "model.batch_norm": [False, True], "train.lr": TEN_RATES}
NETWORK |= {"train.lr_decay": DECAYS, "train.weight_decay": PENALTIES}
LAYERS = {"model.main_layers": [2, 4, 6], "model.reupload_layers": [1, 2, 4]}
UPLOADS = {"model.reuploads": [4, 6, 8], "model.main_layers": [2, 3, 4, 5, 6, 7, 8]}
NOISES = {"noise.gates": ["paper_low", "paper_high"]}
TABLES = {
    "table-06": ("VI", {"model.n_qubits": QUBITS, "train.lr": RATES["six"]}),
    "table-07": ("VII", {"model.n_qubits": QUBITS, "train.lr": [1, 1.5, 2.5, 3, 5]}),
    "table-10": ("X", UPLOADS | {"train.lr": RATES["three"]}),
    "table-11": ("XI", LAYERS | {"train.lr": RATES["three"]}),
    "table-12": ("XII", {"model.final_linear": [True, False], "train.lr": [0.5, *RATES["six"]]}),
    "table-13": ("XIII", NETWORK),
    "table-15": ("XV", {"model.n_qubits": QUBITS, **NOISES, "train.lr": RATES["six"]}),
}
TABLES["table-14"] = ("XIV", NETWORK)
TABLES["table-16"] = ("XVI", NETWORK | {"train.lr": [0.01, 0.02, 0.05, 0.1, 0.5, 1, 2, 5]})
# rows with one value, where they differ from the paper's default
FIXED = {
    "table-06": {"n_encoders": 1},
    "table-07": {"n_encoders": 2},
    "table-10": {"n_qubits": 14, "reupload_layers": 1},
    "table-11": {"n_qubits": 14, "reuploads": 4},
    "table-12": {"n_qubits": 14},
    "table-13": {"n_qubits": 14, "encoder": "mlp", "head": "quantum"},
    "table-14": {"encoder": "none", "head": "mlp"},
    "table-15": {"n_encoders": 1},
    "table-16": {"encoder": "none", "head": "mlp"},
}


@pytest.mark.parametrize("name", TABLES)
def test_the_values_are_the_tables(name):
    numeral, rows = TABLES[name]
    space = load_space(name)
    assert space.table == numeral
    labels = {parameter.name: list(parameter.labels) for parameter in space.parameters}
    expected = {
        k: [v / 1000 for v in values] if k == "train.lr" else values for k, values in rows.items()
    }
    assert labels.keys() == expected.keys()
    for parameter, values in expected.items():
        assert (
            labels[parameter] == pytest.approx(values)
            if parameter == "train.lr"
            else labels[parameter] == values
        )


def with_ends_of_rates(space):
    """The space with its lowest and highest learning rate: those between them are as valid."""
    ends = {
        parameter.name: parameter.model_copy(
            update={"values": (min(parameter.values), max(parameter.values))}
        )
        for parameter in space.parameters
        if parameter.name == "train.lr"
    }
    parameters = tuple(ends.get(parameter.name, parameter) for parameter in space.parameters)
    return space.model_copy(update={"parameters": parameters})


@pytest.mark.parametrize("name", TABLES)
def test_everything_else_is_the_tables_too(name):
    """Each combination of its values is a configuration, or there is no plan."""
    space = with_ends_of_rates(load_space(name))
    plan = make_sweep(space, "grid", {}, trials=None, seeds=1)
    point = next(grid(space.parameters))
    (config,) = plan.configurations(point)
    assert (config.train.batch_size, config.model.connectivity) == (16, 1)
    assert config.body.trainable == (name == "table-16")
    # the paper gives no epochs for table XVI
    assert config.train.epochs == (20 if name == "table-16" else 800)
    assert config.baselines.names == ()
    assert config.noise.shots == (0 if name in ("table-14", "table-16") else 8192)
    for setting, value in FIXED[name].items():
        assert getattr(config.model, setting) == value
    if "train.lr_decay" not in point:
        assert (config.train.lr_decay, config.train.weight_decay) == (1.0, 0.0)


def test_there_is_a_space_for_each_table_and_three_of_our_own():
    tables = [load_space(name).table for name in campaign_names(Space)]
    numbers = ["VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV", "XVI"]
    assert sorted(tables) == sorted([*numbers, *3 * ["none"]])
    assert {name: load_space(name).grid_of for name in ("table-08", "table-09")} == {
        "table-08": "svc",
        "table-09": "logistic_regression",
    }


@pytest.mark.parametrize(
    "name", [n for n in campaign_names(Space) if load_space(n).grid_of is None]
)
def test_the_small_version_varies_the_same_and_is_valid(name):
    space = load_space(name)
    quick = space.in_small()
    assert [p.name for p in quick.parameters] == [p.name for p in space.parameters]
    assert quick.size <= 72
    if name != "table-16":  # a body takes its time
        assert all(len(parameter.values) > 1 for parameter in quick.parameters)
    plan = make_sweep(quick, "grid", {}, trials=None, seeds=2)
    assert len(plan.points) == quick.size
    for point in plan.points.values():
        first, second = plan.configurations(point)
        assert (first.seed, second.seed) == (0, 1)
        assert first.train.epochs <= 60
        values = first.model.components or 384  # of the offline body
        assert 2**first.model.latent_encoder_qubits >= values or first.model.encoder != "quantum"


def test_levels_of_several_settings_go_together():
    parameter = Parameter(name="a", settings=("x.a", "x.b"), values=((0, 0), (1, 48)))
    assert parameter.settings_at("1/48") == {"x.a": 1, "x.b": 48}
    with pytest.raises(ValueError, match=r"has the levels 0/0, 1/48, and got '1/50'"):
        parameter.settings_at("1/50")


def test_true_is_no_number():
    parameter = Parameter(name="a", settings=("x.a",), values=((True,), (1,), (0,), (False,)))
    assert parameter.settings_at(1) == {"x.a": 1}
    assert parameter.settings_at(True)["x.a"] is True
    assert parameter.settings_at(False)["x.a"] is False


def test_a_scale_is_drawn_between_its_ends():
    parameter = Parameter(name="lr", settings=("train.lr",), values=((1e-4,), (1e-2,)), scale="log")
    assert [parameter.at_fraction(f) for f in (0.0, 0.5)] == pytest.approx([1e-4, 1e-3])
    assert parameter.settings_at(2e-3) == {"train.lr": 2e-3}


HEAD = 'title = "Mine"\npreset = "single-10q"'


def own(folder, parameter, head=HEAD):
    """The path of a TOML file with this parameter."""
    file = folder / "mine.toml"
    file.write_text(f"{head}\n[[parameters]]\n{parameter}")
    return str(file)


QUBITS_2 = 'setting = "model.n_qubits"\nvalues = [4, 6]'
MINE = """title = "Mine"
preset = "mine"
presets.mine."model.pad" = "bias"
settings.train.epochs = 3
quick.values."model.n_qubits" = [4]
"""


def test_a_search_of_ones_own(tmp_path):
    space = load_space(own(tmp_path, QUBITS_2, head=MINE))
    plan = make_sweep(space, "grid", {"train.lr": 0.5}, trials=None, seeds=1)
    configs = [config for point in plan.points.values() for config in plan.configurations(point)]
    assert (space.name, space.table) == ("mine", "none")
    assert [(c.model.n_qubits, c.train.epochs, c.train.lr, c.model.pad) for c in configs] == [
        (4, 3, 0.5, "bias"),
        (6, 3, 0.5, "bias"),
    ]
    assert (space.in_small().name, space.in_small().size) == ("mine-quick", 1)


@pytest.mark.parametrize(
    ("head", "parameter", "message"),
    [
        (
            HEAD,
            'values = [[1, 2], [3]]\nname = "a"\nsettings = ["x.a", "x.b"]',
            r"parameters\[1\].*value needs 2 entries",
        ),
        (HEAD, 'setting = "x.a"\nvalues = [0.0, 1.0]\nscale = "log"', "positive numbers"),
        (
            HEAD,
            'setting = "x.a"\nvalues = [1]\nother = 2',
            r"\[1\].other \(got 2\): there is no such setting",
        ),
        (HEAD, 'setting = "x.a"\nvalues = []', r"parameters\[1\].values.*at least 1"),
        (HEAD, 'setting = "x.a"\nvalues = 3', r"parameters\[1\].values \(got 3\)"),
        ('title = "Mine"', QUBITS_2, "a search needs a preset and"),
        ('preset = "single-10q"', QUBITS_2, "title: Field required"),
        ('title = "Mine"\npreset = "single"', QUBITS_2, "preset: there is no preset 'single'"),
        (HEAD + "\nquick.values.x = [1]", QUBITS_2, "quick.values of x, which is no parameter"),
        (HEAD + '\nquick.values."model.n_qubits" = []', QUBITS_2, "quick.values: .*at least 1"),
        (
            HEAD,
            f'{QUBITS_2}\n[[parameters]]\nname = "a"\nsettings = ["model.n_qubits"]\nvalues = [[3]]',
            "model.n_qubits is in two parameters. Omit it from one",
        ),
        (
            HEAD + "\nsettings.model.n_qubits = 3",
            QUBITS_2,
            "settings has model.n_qubits, which a parameter varies. Omit one",
        ),
        (HEAD, 'setting = "seed"\nvalues = [1, 2]', "a parameter is seed, and .*with --seeds"),
        (
            HEAD,
            'setting = "data.task"\nvalues = ["classification", "regression"]',
            "a parameter is data.task, and two tasks have two scores",
        ),
        (
            'title = "Mine"\ngrid_of = "svc"',
            QUBITS_2,
            "grid_of searches the grid of svc itself. Omit preset, parameters and quick",
        ),
        ('title = "Mine', QUBITS_2, "is not TOML: .*line 1"),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_place(tmp_path, head, parameter, message):
    with pytest.raises(UserError, match=f"(sweep|campaign) .*mine.toml.*{message}"):
        load_space(own(tmp_path, parameter, head=head))


def test_a_search_agrees_to_no_price(tmp_path):
    space = load_space(own(tmp_path, 'setting = "backend.options.yes"\nvalues = [true]'))
    with pytest.raises(UserError, match=r"backend.options: it holds yes\. An address, a key"):
        make_sweep(space, "grid", {}, trials=None, seeds=1)


@pytest.mark.parametrize("preset", ["sines", "odd", "single-10q"])
def test_a_search_of_ones_own_changes_only_what_it_names(preset):
    space = Space.model_validate(
        {
            "name": "mine",
            "title": "Mine",
            "preset": preset,
            "parameters": [{"setting": "model.encoder_layers", "values": [20, 30]}],
        }
    )
    overrides = {"data.source": "reviews", "body.model": "minilm"}
    sweep = make_sweep(space, "grid", overrides)
    for point in sweep.points.values():
        (config,) = sweep.configurations(point)
        changed = find_differing(config, load_preset(preset).config({**overrides, **point}))
        assert changed.keys() <= {"baselines.names"}
