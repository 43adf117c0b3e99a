"""`qllmft presets`: every preset with its table and its parameters."""

import json

from qllmft.presets import load_preset, preset_names


def test_the_list_is_complete(cli):
    rows = json.loads(cli("presets", "--json")[0])
    names = [row["name"] for row in rows]
    assert sorted(names) == preset_names()
    assert names.index("nn-head-48") < names.index("nn-head-144"), "by number, not by letter"
    for row in rows:
        preset = load_preset(row["name"])
        assert (row["title"], tuple(row["source"])) == (preset.title, preset.source)
    parameters = {row["name"]: row["parameters"] for row in rows}
    assert parameters["single-18q"] == 633
    assert parameters["logistic-regression"] == 769
    assert parameters["svc"] is parameters["svc-full"] is None


def test_one_table_of_the_paper(cli):
    output, _ = cli("presets", "--from", "table iv")
    rows = {line.split()[0]: line for line in output.splitlines() if line.startswith(" single-14q")}
    assert set(rows) == {"single-14q", "single-14q-no-linear"}
    assert " 463 " in rows["single-14q-no-linear"]
    assert max(map(len, output.splitlines())) <= 80
    ours = json.loads(cli("presets", "--from", "ours", "--json")[0])
    assert "recommended" in [row["name"] for row in ours]
    assert not any(row["source"] for row in ours)


def test_a_table_that_has_none(cli):
    _, messages = cli("presets", "--from", "Table I", code=2)
    assert "no preset comes from 'Table I'; expected one of Figure 11, Figure 8a," in messages
