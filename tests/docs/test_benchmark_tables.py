"""The pages' measurements equal the kept records."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import commands, few_texts_page, speed
from lab.experiments import contrastive_settings, one_head_page, selection
from qllmft.config.body import ADAPTER_LR_FACTOR

ROOT = Path(__file__).resolve().parents[2]


def record(name):
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text("utf-8"))


def power(number):
    """Return a number as pages write it, such as 2.4 · 10⁻⁷."""
    mantissa, exponent = f"{number:.1e}".split("e-0")
    return f"{mantissa} · 10⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(exponent)]}"


def test_the_hours_of_the_papers_searches():
    families = record("programme")["families"].values()
    total = sum(family["core_hours"] for family in families)
    ratios = [family["check"]["estimate_to_real"] for family in families]
    assert sum(family["configurations"] for family in families) == 219
    page = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    hours = f"{total:.0f} hours of one core, {total / 2:.0f} of two."
    assert f"Together 219 configurations take {hours}" in page
    excess = f"{100 * min(ratios) - 100:.0f} to {100 * max(ratios) - 100:.0f} %"
    assert f"the estimate was {excess} too high." in page


def test_the_tables_of_one_rule_are_those_of_their_record():
    page = (ROOT / "docs" / "decisions" / "0021-one-rule-for-every-row.md").read_text("utf-8")
    content = (ROOT / "docs" / "records" / "selection.json").read_text("utf-8")
    rows = json.loads(content)["results"]
    assert selection.draws_table(rows) in page
    assert selection.sets_table(rows) in page


def test_the_errors_of_large_circuits():
    kept = record("large")
    assert [row["n_qubits"] for row in kept["float32"]] == [18, 20]
    value, gradient = (
        max(row[key] for row in kept["float32"]) for key in ("value_error", "gradient_error")
    )
    shift = max(abs(a["adjoint"] - a["parameter_shift"]) for a in kept["shift"]["angles"])
    page = (ROOT / "docs" / "large-circuits.md").read_text("utf-8")
    assert f"| value, at 18 and 20 qubits | {power(value)} |" in page
    largest = "of gradients up to 1.87"
    assert f"| gradient, at 18 and 20 qubits, {largest} | {power(gradient)} |" in page
    twice = f"two gradients at {kept['shift']['n_qubits']} qubits, from the parameter-shift rule"
    assert f"| {twice} | {power(shift)} |" in page


def speed_section():
    return (ROOT / "README.md").read_text("utf-8").partition("\n## Speed")[2].partition("\n## ")[0]


def test_the_readme_shows_the_nearest_tools_of_the_record():
    assert speed.table(record("peers")) in speed_section()


def test_the_readme_names_the_nearest_tool():
    tool, ratios = next(iter(speed.nearest_ratios(record("peers")).items()))
    least, most = (speed.times_as_long(bound(ratios.values())) for bound in (min, max))
    said = f"The nearest tool is {tool}: it takes {least} to {most} times as long."
    assert said in speed_section()


def test_the_readmes_times_of_a_step_are_those_of_the_quiet_run():
    times = speed.milliseconds_by_tool(record("peers"))["qllmft"]
    said = f"{times['head']:.2f} ms for the paper's head and {times['enc']:.2f} ms for its encoder"
    assert said in speed_section()


def test_the_readme_has_the_nearest_tool_without_avx512():
    tool, ratios = next(iter(speed.nearest_ratios(record("nearest")).items()))
    least, most = (speed.times_as_long(bound(ratios.values())) for bound in (min, max))
    said = f"[Without it](benchmarks/nearest.md), {tool} takes {least} to {most} times as long."
    assert said in speed_section()


def test_the_runs_of_the_ratios_were_quiet():
    for name in ("nearest", "one_sample", "peers"):
        assert all(cell["cores_busy_with_other_work"] < 0.25 for cell in record(name)["cells"])


def test_the_readme_has_the_times_of_plain_c():
    ratios = speed.plain_c_ratios(record("peers")).values()
    least, most = (speed.times_as_long(bound(ratios)) for bound in (min, max))
    assert f"plain C for these circuits takes {least} to {most} times as long" in speed_section()


@pytest.mark.parametrize("name", ["nearest", "peers"])
def test_the_times_of_a_step_are_medians_of_five_rounds(name):
    kept, page = record(name), (ROOT / "benchmarks" / f"{name}.md").read_text("utf-8")
    slow = ("FlagQuantum, adjoint in a loop over the batch", "mixed")
    fewest = {}
    for cell in kept["cells"]:
        rounds = {
            row["label"]: len(row["rounds_ms"]) for row in cell["rows"] if row["status"] == "ok"
        }
        fewest.setdefault(cell["workload"], []).append(min(rounds.values()))
        if cell["workload"] == slow[1]:
            assert 1 <= rounds.pop(slow[0], 1) < 5
        assert {*rounds.values()} == {5}
    shown = [line.strip("| ").split(" | ")[1:] for line in page.splitlines() if "*rounds*" in line]
    assert [[int(cell) for cell in cells] for cells in shown] == [*fewest.values()]
    assert "A time is the median of five rounds" in (ROOT / "README.md").read_text("utf-8")
    harness_page = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    assert "so long that fewer rounds were run" in harness_page


def test_the_requests_per_second_of_a_server():
    page, kept = (ROOT / "docs" / "serving.md").read_text("utf-8"), record("serve")
    for each in kept["rows"]:
        rounds = kept["rounds"][str(each["clients"])]
        ratios = [quantum[0] / linear[0] for linear, quantum in rounds]
        assert each["ratio"] == pytest.approx(sum(ratios) / len(ratios))
        shown = f"{each['ratio']:.2f} ± {each['half_width']:.2f} times"
        assert shown in page


def rows_of(page, first):
    """Return the cells of the head, which begins with ``first``, and of the rows of a table."""
    lines = page[page.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_the_decision_on_earlier_heads_has_the_differences_of_its_record():
    page = (ROOT / "docs" / "decisions" / "0014-default-head.md").read_text("utf-8")
    kept = json.loads((ROOT / "docs" / "records" / "default-head.json").read_text("utf-8"))
    gains = {}
    for row in kept["results"]:
        for head, result in (row["presets"] | {"taken": row["taken"]}).items():
            tasks = gains.setdefault((head, row["task"][0] in "S2"), {})
            difference = 100 * (result["accuracy"] - row["logistic_regression"])
            tasks.setdefault((row["task"], row["body"]), []).append(difference)
    _, *rows = rows_of(page, "structure")
    assert len(rows) == 4
    for name, *cells in rows:
        for cell, two in zip(cells, (True, False), strict=True):
            means = [np.mean(seeds) for seeds in gains[name.strip("`"), two].values()]
            shown = f"{min(means):+.2f} to {max(means):+.2f}".replace("-", "−")
            assert cell == shown, name


def test_the_decision_on_one_head_has_the_differences_of_the_settings_that_were_tried():
    page = (ROOT / "docs" / "decisions" / "0017-one-head.md").read_text("utf-8")
    kept = json.loads((ROOT / "docs" / "records" / "one-head-tried.json").read_text("utf-8"))
    tried = {}
    for row in kept["results"]:
        scores = row["scores"]
        gain = scores["head"]["accuracy"] - scores["logistic regression"]["accuracy"]
        own = tried.setdefault(row["preset"].removeprefix("sines").strip(","), {})
        own.setdefault(row["task"], []).append(100 * gain)
    names, *rows = rows_of(page, "changed")
    assert len(rows) == len(tried)
    for row, gains in zip(rows, tried.values(), strict=True):
        expected = [f"{np.mean(gains[task]):+.2f}".replace("-", "−") for task in names[2:]]
        assert row[2:] == expected, row


def test_the_page_of_one_head_is_that_of_its_records(tmp_path):
    one_head_page.main(tmp_path / "page.md")
    page = (ROOT / "docs" / "results" / "one-head.md").read_text("utf-8")
    assert (tmp_path / "page.md").read_text("utf-8") == page


def test_the_page_of_commands_is_that_of_its_records():
    assert commands.PAGE.read_text("utf-8") == commands.make_page(), "python benchmarks/commands.py"


def test_the_page_of_few_texts_is_that_of_its_record():
    kept = json.loads((ROOT / "docs" / "records" / "few-texts.json").read_text("utf-8"))
    page = (ROOT / "docs" / "results" / "few-texts.md").read_text("utf-8")
    assert few_texts_page.page(kept["results"]) == page


def test_more_steps_of_the_contrastive_step_have_the_right_answers_of_the_record():
    kept = json.loads((ROOT / "docs" / "records" / "contrastive-settings.json").read_text("utf-8"))
    page = (ROOT / "docs" / "decisions" / "0012-contrastive-step.md").read_text("utf-8")
    for line in contrastive_settings.summary(kept["results"]):
        assert f"| {' | '.join(line)} |" in page.replace("**", "")
    right, seconds, texts = Counter(), Counter(), Counter()
    for row in kept["results"]:
        right[row["epochs"]] += row["right"]
        seconds[row["epochs"]] += row["seconds"]
        texts[row["epochs"]] += row["of"]
    assert f"take {seconds[20] / seconds[8]:.1f} times as long" in page
    said = f"have {right[20]:,} right answers of {texts[20]:,} where the chosen settings have {right[8]:,}."
    assert said in page


def test_the_rates_of_an_adapter_are_those_of_the_record():
    record = json.loads((ROOT / "docs" / "records" / "adapter-rates.json").read_text("utf-8"))
    page = (ROOT / "docs" / "decisions" / "0019-large-bodies.md").read_text("utf-8")
    right = Counter()
    for row in record["results"]:
        right[row["adapter"], row["rate"]] += row["right"]
    total = record["of"] * len({row["seed"] for row in record["results"]})
    for (adapter, rate), count in right.items():
        name = ("adapter" if rate else "nothing") if adapter else "all weights"
        (line,) = (
            line
            for line in page.splitlines()
            if line.replace("*", "").startswith(f"| {name} | {rate or ''}".rstrip() + " |")
        )
        assert f"| {count} | {100 * count / total:.1f} |" in line
    assert f"of {total} texts" in page
    assert max((key for key in right if key[0]), key=right.get) == (True, ADAPTER_LR_FACTOR)


def test_predicted_accuracies_are_those_of_the_record_and_near_the_sampled_ones():
    rows = json.loads((ROOT / "docs" / "records" / "error-budget.json").read_text("utf-8"))
    page = (ROOT / "docs" / "machines.md").read_text("utf-8")
    for row in rows["results"]:
        stated = row["rows"][0]
        low, high = (100 * value for value in stated["interval"])
        sampled = [100 * right / row["texts"] for right in row["sampled_right"]]
        differ = [100 * flips / row["texts"] for flips in row["sampled_differ"]]
        assert (
            f"| {row['backend']} | {100 * stated['accuracy']:.1f} [{low:.1f}, {high:.1f}] | "
            f"{', '.join(f'{value:.1f}' for value in sampled)} | {100 * stated['differ']:.1f} | "
            f"{', '.join(f'{value:.1f}' for value in differ)} |"
        ) in page
        assert all(abs(value - 100 * stated["accuracy"]) < 2 for value in sampled)
    assert len(rows["results"]) >= 5


def test_a_qnode_on_the_engine_takes_less_than_a_hundredth_of_the_time_of_lightning():
    rows = record("qnode")["results"]
    page = (ROOT / "docs" / "coming-from.md").read_text("utf-8")
    assert "[less than a hundredth of the time]" in page
    for row in rows:
        assert row["ms"]["lightning.qubit"] > 100 * row["ms"]["from_qnode, float64"]
        assert row["ms"]["default.qubit"] > 50 * row["ms"]["from_qnode, float64"]
    assert all(row["difference"]["from_qnode"] < 2e-6 for row in rows)
    assert all(row["difference"]["from_qnode, float64"] < 1e-14 for row in rows)
    assert all(row["difference"]["qllmft.adjoint"] < 1e-14 for row in rows)
    table = (ROOT / "benchmarks" / "peers.md").read_text("utf-8").partition("## QNODE")[2]
    ways = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert ways == ["ms", *rows[0]["ms"]]


def test_labels_to_trust_are_those_of_the_record():
    """And of the labels that calibration texts decide, at most 5 % are wrong, on each machine and body."""
    rows = json.loads((ROOT / "docs/records/labels-to-trust.json").read_text("utf-8"))["results"]
    page = (ROOT / "docs" / "machines.md").read_text("utf-8")
    bodies = {row["body"]: row["quantiles"] for row in rows if "quantiles" in row}
    assert {*bodies} == {"frozen", "tuned"}
    for body, quantiles in bodies.items():
        cells = [
            ", ".join(f"{lead:.2f}" for lead in quantiles[kind])
            for kind in ("test", "validation", "training")
        ]
        assert f"| {body} | {' | '.join(cells)} |" in page
    machines = [(row["machine"], row["body"]) for row in rows if "calls" in row]
    assert len({*machines}) == len(machines) == 2 * 12
    for row in rows:
        if "calls" not in row:
            continue
        at_once, in_rounds = (
            [call for call in row["calls"] if call["rounds"] == rounds] for rounds in (False, True)
        )
        cells = [f"{100 * sum(call['differ'] for call in at_once) / (300 * len(at_once)):.1f}"]
        rules = ("shots alone", "95 % quantile", "training texts", "calibration texts")
        for rule in rules:
            cells.append(decided_and_wrong(at_once, rule))
        cells.append(f"{np.mean([call['mean_shots'] for call in in_rounds]):,.0f}")
        cells.append(decided_and_wrong(in_rounds, "calibration texts"))
        assert f"| {row['machine']} | {row['body']} | {' | '.join(cells)} |" in page
        for calls in (at_once, in_rounds):
            decided, wrong = np.sum([call["rules"]["calibration texts"] for call in calls], axis=0)
            assert wrong <= 0.05 * decided


def decided_and_wrong(calls, rule):
    """Percentages of the labels that a rule decides, and of the wrong ones among them."""
    decided, wrong = np.sum([call["rules"][rule] for call in calls], axis=0)
    return f"{100 * decided / (300 * len(calls)):.1f}, {100 * wrong / max(1, decided):.1f}"


def test_a_network_with_and_without_the_gradient_of_the_engine_has_the_times_of_the_record():
    page = (ROOT / "docs" / "qiskit-interfaces.md").read_text("utf-8")
    rows = record("qiskit_gradient")["results"]
    own = [row["ms"]["gradient="] for row in rows]
    assert f"takes {min(own):.1f} to {max(own):.1f} ms at 4 to 8 qubits" in page
    for name, words in (("no gradient=", "without it"), ("Qiskit's estimator", "Estimator` ")):
        times = [row["ms"][name] / row["ms"]["gradient="] for row in rows]
        assert f"{min(times):.0f} to {max(times):.0f} times" in page.partition(words)[2]
    assert all(row["difference"] < 1e-12 for row in rows)


def test_the_choice_of_labels_to_trust_is_that_of_the_record():
    page = (ROOT / "docs" / "decisions" / "0020-labels-to-trust.md").read_text("utf-8")
    kept = json.loads((ROOT / "docs/records/labels-to-trust-choice.json").read_text("utf-8"))
    assert all(row["wrong"] < 0.004 for row in kept["results"])
    names = {"1": "1", "both errors": "both errors", "both, if seen": "both errors, if seen"}
    for known, scale in [(40, "both, if seen"), *((60, s) for s in names), (80, "both, if seen")]:
        cells = []
        for shots in ("1,000 shots", "rounds"):
            key = {"known": known, "scale": scale, "shots": shots}
            rows = [row for row in kept["results"] if row | key == row]
            worst = min(rows, key=lambda row: row["decided"])
            assert (worst["backend"], len(rows)) == ("fake_guadalupe", 5)
            best, low = max(row["decided"] for row in rows), worst["decided_tenth"]
            cells.append(f"{100 * worst['decided']:.1f} to {100 * best:.1f} [{100 * low:.1f}]")
        assert f"| {known}, {names[scale]} | {' | '.join(cells)} |" in page.replace("**", "")


def forte_table():
    lines = [
        "| qubits | shots | adjoint | Aer, density matrix | Aer, trajectories | deviation | largest |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in record("forte")["results"]:
        times = [
            f"{time:,.0f}" if time >= 100 else f"{time:.1f}"
            for time in (row["ms"][name] for name in ("adjoint", "density_matrix", "trajectories"))
        ]
        deviation = row["from_aer"]
        largest = f"{deviation['largest']:.1f} [{deviation['median_largest']:.1f}]"
        shots = f"{row['shots']:,}" if row["shots"] else "none"
        cells = [str(row["qubits"]), shots, *times, f"{deviation['rms']:.2f}", largest]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_fortes_noise_on_the_engine_and_on_aer_has_the_times_and_deviations_of_the_record():
    assert forte_table() in (ROOT / "docs" / "noise.md").read_text("utf-8")
    for row in record("forte")["results"]:
        aer = {name: time for name, time in row["ms"].items() if name != "adjoint"}
        assert row["ms"]["adjoint"] < min(aer.values())
        assert row["auto"] == min(aer, key=aer.get)
        for name in {"from_aer", "from_density_matrix"} & row.keys():
            assert 0.8 < row[name]["rms"] < 1.2
            assert row[name]["largest"] < 5
