"""The pages' measurements equal the kept records."""

from collections import Counter

import numpy as np
import pytest
from project_files import read_page, read_record

from benchmarks import commands, few_texts_page, scale_page, speed
from lab.experiments import contrastive_settings, one_head_page, selection
from qllmft.config.body import ADAPTER_LR_FACTOR


def record(name):
    return read_record(f"benchmarks/{name}.json")


def power(number):
    """Return a number as pages write it, such as 2.4 · 10⁻⁷."""
    mantissa, exponent = f"{number:.1e}".split("e-0")
    return f"{mantissa} · 10⁻{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(exponent)]}"


def test_the_hours_of_the_papers_searches():
    families = record("programme")["families"].values()
    total = sum(family["core_hours"] for family in families)
    ratios = [family["check"]["estimate_to_real"] for family in families]
    assert sum(family["configurations"] for family in families) == 219
    page = read_page("docs/sweeps.md")
    hours = f"{total:.0f} hours of one core, {total / 2:.0f} of two."
    assert f"Together 219 configurations take {hours}" in page
    excess = f"{100 * min(ratios) - 100:.0f} to {100 * max(ratios) - 100:.0f} %"
    assert f"the estimate was {excess} too high." in page


def test_the_tables_of_one_rule_are_those_of_their_record():
    page = read_page("docs/decisions/0021-one-rule-for-every-row.md")
    rows = read_record("docs/records/selection.json")["results"]
    assert selection.draws_table(rows) in page
    assert selection.sets_table(rows) in page


def test_the_errors_of_large_circuits():
    errors = record("large")
    assert [row["n_qubits"] for row in errors["float32"]] == [18, 20]
    value, gradient = (
        max(row[key] for row in errors["float32"]) for key in ("value_error", "gradient_error")
    )
    shift = max(abs(a["adjoint"] - a["parameter_shift"]) for a in errors["shift"]["angles"])
    page = read_page("docs/large-circuits.md")
    assert f"| value, at 18 and 20 qubits | {power(value)} |" in page
    largest = "of gradients up to 1.87"
    assert f"| gradient, at 18 and 20 qubits, {largest} | {power(gradient)} |" in page
    twice = f"two gradients at {errors['shift']['n_qubits']} qubits, from the parameter-shift rule"
    assert f"| {twice} | {power(shift)} |" in page


def speed_section():
    return read_page("README.md").partition("\n## Speed")[2].partition("\n## ")[0]


def test_the_readme_shows_the_nearest_tools_of_the_record():
    assert speed.table(record("peers")) in speed_section()


def test_the_readmes_times_of_a_step_are_those_of_the_quiet_run():
    times = speed.milliseconds_by_tool(record("peers"))["qllmft"]
    assert (
        f"{times['head']:.2f} ms for the paper's head and {times['enc']:.2f} ms for its encoder"
        in speed_section()
    )


def test_the_speed_of_the_readme_has_at_most_eight_lines():
    assert len([line for line in speed_section().splitlines() if line]) <= 8


def test_the_benchmarks_have_the_times_of_plain_c():
    ratios = speed.plain_c_ratios(record("peers")).values()
    least, most = (speed.times_as_long(bound(ratios)) for bound in (min, max))
    times = f"it takes {least} to {most} times as long as this project at 12 qubits"
    assert times in read_page("benchmarks/README.md")


def test_the_runs_of_the_ratios_were_quiet():
    for name in ("nearest", "one_sample", "peers"):
        assert all(cell["cores_busy_with_other_work"] < 0.25 for cell in record(name)["cells"])


@pytest.mark.parametrize("name", ["nearest", "peers"])
def test_the_times_of_a_step_are_medians_of_five_rounds(name):
    speed_record = record(name)
    page = read_page(f"benchmarks/{name}.md")
    slow = ("FlagQuantum, adjoint in a loop over the batch", "mixed")
    fewest = {}
    for cell in speed_record["cells"]:
        rounds = {
            row["label"]: len(row["rounds_ms"]) for row in cell["rows"] if row["status"] == "ok"
        }
        fewest.setdefault(cell["workload"], []).append(min(rounds.values()))
        if cell["workload"] == slow[1]:
            assert 1 <= rounds.pop(slow[0], 1) < 5
        assert {*rounds.values()} == {5}
    fewest_rounds = [
        line.strip("| ").split(" | ")[1:] for line in page.splitlines() if "*rounds*" in line
    ]
    assert [[int(cell) for cell in cells] for cells in fewest_rounds] == [*fewest.values()]
    assert "The table shows the median over rounds" in read_page("benchmarks/README.md")
    assert "so long that fewer rounds were run" in read_page("benchmarks/README.md")


def test_the_requests_per_second_of_a_server():
    page = read_page("docs/serving.md")
    serving_record = record("serve")
    for row in serving_record["rows"]:
        rounds = serving_record["rounds"][str(row["clients"])]
        ratios = [quantum[0] / linear[0] for linear, quantum in rounds]
        assert row["ratio"] == pytest.approx(sum(ratios) / len(ratios))
        assert f"{row['ratio']:.2f} ± {row['half_width']:.2f} times" in page


def read_table(page, first):
    """Return the cells of the head, which begins with ``first``, and of the rows of a table."""
    lines = page[page.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_the_decision_on_earlier_heads_has_the_differences_of_its_record():
    page = read_page("docs/decisions/0014-default-head.md")
    head_record = read_record("docs/records/default-head.json")
    gains = {}
    for row in head_record["results"]:
        for head, result in (row["presets"] | {"taken": row["taken"]}).items():
            tasks = gains.setdefault((head, row["task"][0] in "S2"), {})
            difference = 100 * (result["accuracy"] - row["logistic_regression"])
            tasks.setdefault((row["task"], row["body"]), []).append(difference)
    _, *rows = read_table(page, "structure")
    assert len(rows) == 4
    for name, *cells in rows:
        for cell, has_two_labels in zip(cells, (True, False), strict=True):
            means = [np.mean(seeds) for seeds in gains[name.strip("`"), has_two_labels].values()]
            assert cell == f"{min(means):+.2f} to {max(means):+.2f}".replace("-", "−"), name


def test_the_decision_on_one_head_has_the_differences_of_the_settings_that_were_tried():
    page = read_page("docs/decisions/0017-one-head.md")
    tried_record = read_record("docs/records/one-head-tried.json")
    tried = {}
    for row in tried_record["results"]:
        scores = row["scores"]
        gain = scores["head"]["accuracy"] - scores["logistic regression"]["accuracy"]
        gains_by_task = tried.setdefault(row["preset"].removeprefix("sines").strip(","), {})
        gains_by_task.setdefault(row["task"], []).append(100 * gain)
    names, *rows = read_table(page, "changed")
    assert len(rows) == len(tried)
    for row, gains in zip(rows, tried.values(), strict=True):
        expected = [f"{np.mean(gains[task]):+.2f}".replace("-", "−") for task in names[2:]]
        assert row[2:] == expected, row


def test_the_page_of_one_head_is_that_of_its_records(tmp_path):
    one_head_page.main(tmp_path / "page.md")
    page = read_page("docs/results/one-head.md")
    assert (tmp_path / "page.md").read_text("utf-8") == page


def test_the_page_of_commands_is_that_of_its_records():
    assert commands.PAGE.read_text("utf-8") == commands.make_page(), "python benchmarks/commands.py"


def test_the_page_of_scale_is_that_of_its_record():
    assert scale_page.PAGE.read_text("utf-8") == scale_page.make_page(), (
        "python benchmarks/scale_page.py"
    )


def test_a_large_table_has_the_epochs_that_validation_chose():
    found = record("scale_epochs")
    _, *rows = read_table(read_page("docs/decisions/0034-epochs-of-large-tables.md"), "epochs")
    steps = -(-found["sizes"]["train"] // 32)
    assert rows == [
        [str(run["epochs"]), f"{run['epochs'] * steps:,}", f"{100 * run['validation']:.1f}"]
        for run in found["runs"]
    ]


def test_the_texts_of_a_search_are_those_of_the_record():
    found = record("scale_search")
    limits = {run["limit"]: run["models"] for run in found["runs"]}
    limited, every = limits[20_000], limits[None]
    _, *rows = read_table(read_page("docs/decisions/0035-texts-of-a-search.md"), "model")
    assert rows == [
        [
            name,
            *(f"{100 * side[name]['validation']:.1f}" for side in (every, limited)),
            *(f"{side[name]['seconds']:.0f}" for side in (every, limited)),
        ]
        for name in limited
    ]
    assert all(limited[name]["C"] == every[name]["C"] for name in limited)


def test_the_page_of_few_texts_is_that_of_its_record():
    few_texts_record = read_record("docs/records/few-texts.json")
    page = read_page("docs/results/few-texts.md")
    assert few_texts_page.page(few_texts_record["results"]) == page


def test_more_steps_of_the_contrastive_step_have_the_right_answers_of_the_record():
    step_record = read_record("docs/records/contrastive-settings.json")
    page = read_page("docs/decisions/0012-contrastive-step.md")
    for line in contrastive_settings.summary(step_record["results"]):
        assert f"| {' | '.join(line)} |" in page.replace("**", "")
    right = Counter()
    seconds = Counter()
    texts = Counter()
    for row in step_record["results"]:
        right[row["epochs"]] += row["right"]
        seconds[row["epochs"]] += row["seconds"]
        texts[row["epochs"]] += row["of"]
    assert f"take {seconds[20] / seconds[8]:.1f} times as long" in page
    assert (
        f"have {right[20]:,} right answers of {texts[20]:,} where the chosen settings have {right[8]:,}."
        in page
    )


def test_the_rates_of_an_adapter_are_those_of_the_record():
    record = read_record("docs/records/adapter-rates.json")
    page = read_page("docs/decisions/0019-large-bodies.md")
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
    rows = read_record("docs/records/error-budget.json")
    page = read_page("docs/machines.md")
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
    assert "[less than a hundredth of the time]" in read_page("docs/coming-from.md")
    for row in rows:
        assert row["ms"]["lightning.qubit"] > 100 * row["ms"]["from_qnode, float64"]
        assert row["ms"]["default.qubit"] > 50 * row["ms"]["from_qnode, float64"]
    assert all(row["difference"]["from_qnode"] < 2e-6 for row in rows)
    assert all(row["difference"]["from_qnode, float64"] < 1e-14 for row in rows)
    assert all(row["difference"]["qllmft.adjoint"] < 1e-14 for row in rows)
    table = read_page("benchmarks/peers.md").partition("## QNODE")[2]
    ways = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    assert ways == ["ms", *rows[0]["ms"]]


def test_labels_to_trust_are_those_of_the_record():
    """And of the labels that calibration texts decide, at most 5 % are wrong, on each machine and body."""
    rows = read_record("docs/records/labels-to-trust.json")["results"]
    page = read_page("docs/machines.md")
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
    page = read_page("docs/qiskit-interfaces.md")
    rows = record("qiskit_gradient")["results"]
    gradient_times = [row["ms"]["gradient="] for row in rows]
    assert (
        f"takes {min(gradient_times):.1f} to {max(gradient_times):.1f} ms at 4 to 8 qubits" in page
    )
    for name, words in (("no gradient=", "without it"), ("Qiskit's estimator", "Estimator` ")):
        times = [row["ms"][name] / row["ms"]["gradient="] for row in rows]
        assert f"{min(times):.0f} to {max(times):.0f} times" in page.partition(words)[2]
    assert all(row["difference"] < 1e-12 for row in rows)


def test_the_choice_of_labels_to_trust_is_that_of_the_record():
    page = read_page("docs/decisions/0020-labels-to-trust.md")
    choice_record = read_record("docs/records/labels-to-trust-choice.json")
    assert all(row["wrong"] < 0.004 for row in choice_record["results"])
    names = {"1": "1", "both errors": "both errors", "both, if seen": "both errors, if seen"}
    for n_known, scale in [(40, "both, if seen"), *((60, s) for s in names), (80, "both, if seen")]:
        cells = []
        for shots in ("1,000 shots", "rounds"):
            key = {"known": n_known, "scale": scale, "shots": shots}
            rows = [row for row in choice_record["results"] if row | key == row]
            worst = min(rows, key=lambda row: row["decided"])
            assert (worst["backend"], len(rows)) == ("fake_guadalupe", 5)
            best = max(row["decided"] for row in rows)
            low = worst["decided_tenth"]
            cells.append(f"{100 * worst['decided']:.1f} to {100 * best:.1f} [{100 * low:.1f}]")
        assert f"| {n_known}, {names[scale]} | {' | '.join(cells)} |" in page.replace("**", "")


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
    assert forte_table() in read_page("docs/noise.md")
    for row in record("forte")["results"]:
        aer = {name: time for name, time in row["ms"].items() if name != "adjoint"}
        assert row["ms"]["adjoint"] < min(aer.values())
        assert row["auto"] == min(aer, key=aer.get)
        for name in {"from_aer", "from_density_matrix"} & row.keys():
            assert 0.8 < row[name]["rms"] < 1.2
            assert row[name]["largest"] < 5
