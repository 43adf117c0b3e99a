"""The paper's numbers are complete and consistent, and each has a preset of its table."""

import pytest

from qllmft.config.presets import load_preset, preset_names
from qllmft_studies.published import paper_numbers

PAPER = paper_numbers()


def test_every_row_of_tables_ii_to_iv_is_there():
    def rows(quantity):
        tables = [value.where for value in PAPER.values_for(quantity)]
        return {table: tables.count(table) for table in tables}

    assert rows("accuracy") == {"Table II": 14, "Table III": 7, "Table IV": 2, "Table XVI": 1}
    assert rows("parameters") == {"Table II": 14, "Table III": 7}
    assert max(value.value for value in PAPER.values_for("accuracy")) == 93.62


@pytest.mark.parametrize(
    "value", [v for v in PAPER.values if v.where in ("Table II", "Table III", "Table IV")]
)
def test_a_row_has_a_preset_that_names_its_table(value):
    preset = load_preset(value.preset)
    assert value.where in preset.source
    # table IV's "Yes" is the model of table VI with one more learning rate
    if value.sweep not in (None, "Table XII"):
        assert value.sweep in preset.source


def test_every_table_and_figure_of_a_preset_is_named_in_its_title():
    for name in preset_names():
        preset = load_preset(name)
        for source in preset.source:
            assert source.split()[1] in preset.title, (name, source)


def test_printed_differences_are_those_of_the_printed_accuracies():
    for difference in PAPER.values_for("difference"):
        a, b = (
            PAPER.value_for_preset("accuracy", preset)
            for preset in (difference.preset, difference.than)
        )
        assert difference.value == pytest.approx(a.value - b.value)


def test_a_model_printed_twice_is_printed_alike():
    for values in (PAPER.values_for("accuracy"), PAPER.values_for("parameters")):
        by_preset = {}
        for value in values:
            if value.preset is not None:
                assert by_preset.setdefault(value.preset, value.value) == value.value


def test_every_figure_states_its_printed_numbers():
    from lab.paper.catalogue import FIGURES

    assert list(PAPER.figures) == list(FIGURES)
