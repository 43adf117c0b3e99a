"""The guide's tables of measurements equal the kept records."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from examples.experiments import one_head_page
from qllmft.config.body import ADAPTER_RATE

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")


def record(name):
    return json.loads((ROOT / "benchmarks" / f"{name}.json").read_text("utf-8"))


def cells(first):
    """Return the cells of the guide's row that begins with ``first``."""
    row = next(line for line in GUIDE.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def power(text):
    """Return the number of a text such as 2.4 · 10⁻⁷."""
    mantissa, exponent = text.split(" · 10⁻")
    return float(mantissa) * 10.0 ** -"⁰¹²³⁴⁵⁶⁷⁸⁹".index(exponent)


def test_the_hours_of_the_papers_searches():
    kept = record("programme")
    for family in kept["families"].values():
        row, check = cells(family["table"]), family["check"]
        assert (int(row[1]), float(row[3])) == (
            family["configurations"],
            round(family["core_hours"], 1),
        )
        assert (
            row[4]
            == f"{check['epochs']} epochs at {check['qubits']} qubits, {check['estimate_to_real']:.2f}"
        )
    total = sum(family["core_hours"] for family in kept["families"].values())
    expected = (
        f"Together 219 configurations take {total:.0f} hours of one core, {total / 2:.0f} of two."
    )
    assert expected in GUIDE


def test_the_errors_of_large_circuits():
    kept = record("large")
    for each in kept["float32"]:
        row = cells(each["n_qubits"])
        for cell, key in zip(row[2:4], ("value_error", "gradient_error"), strict=True):
            assert power(cell) == pytest.approx(each[key], rel=0.05)
    errors = [abs(angle["adjoint"] - angle["parameter_shift"]) for angle in kept["shift"]["angles"]]
    assert power(cells(kept["shift"]["n_qubits"])[3]) == pytest.approx(max(errors), rel=0.05)


def per_size(text):
    return [None if part.strip() == "–" else float(part.replace(",", "")) for part in text]


def test_the_readmes_times_of_a_step():
    readme, kept = (ROOT / "README.md").read_text("utf-8"), record("peers")
    times = {}
    for cell in kept["cells"]:
        for row in cell["rows"]:
            of_tool = times.setdefault(row["label"], {}).setdefault(cell["workload"], [])
            of_tool.append(row.get("ms") if row["status"] == "ok" else None)
    ours = times["qllmft"]
    slower = {"TorQ, 2^Q x 2^Q matrices", "FlagQuantum, adjoint in a loop over the batch"}
    for label in times.keys() - slower:
        line = next(line for line in readme.splitlines() if line.startswith(f"| {label} |"))
        for workload, cell in zip(
            ("enc", "head", "mixed"), line.strip("|").split("|")[1:], strict=True
        ):
            expected = times[label].get(workload, [None])
            if not any(expected):
                assert cell.strip() == "–"
                continue
            got, _, factors = cell.partition("(")
            found = per_size(got.split("/"))
            assert [each is None for each in found] == [each is None for each in expected]
            pairs = zip(found, expected, strict=True)
            assert all(a == pytest.approx(b, rel=0.02) for a, b in pairs if b)
            if label != "qllmft":
                ratios = [a / b for a, b in zip(expected, ours[workload], strict=True) if a]
                shown = per_size(factors.partition(" ×")[0].split("/"))
                assert shown == pytest.approx(ratios, abs=0.51)


def test_the_times_of_a_step_are_medians_of_five_rounds():
    kept, page = record("peers"), (ROOT / "benchmarks" / "peers.md").read_text("utf-8")
    rounds = {
        len(row["rounds_ms"])
        for cell in kept["cells"]
        for row in cell["rows"]
        if row["status"] == "ok"
    }
    shown = [line.strip("| ").split(" | ")[1:] for line in page.splitlines() if "*rounds*" in line]
    assert [{int(cell) for cell in cells} for cells in shown] == [rounds] * 3
    assert rounds == {5}
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "A time is the median of five rounds" in readme
    (found,) = (
        row
        for cell in kept["cells"]
        for row in cell["rows"]
        if (cell["workload"], cell["n_qubits"], row["name"]) == ("enc", 14, "torchquantum")
    )
    spread = f"{found['ms_min'] / 1000:.2f} to {found['ms_max'] / 1000:.1f} s"
    assert f"TorchQuantum's encoder of 14 qubits took {spread}" in readme


def test_the_requests_per_second_of_a_server():
    page, kept = (ROOT / "docs" / "serving.md").read_text("utf-8"), record("serve")
    for each in kept["rows"]:
        rounds = kept["rounds"][str(each["clients"])]
        ratios = [quantum[0] / linear[0] for linear, quantum in rounds]
        assert each["ratio"] == pytest.approx(sum(ratios) / len(ratios))
        speeds = f"{each['linear_per_second']:.1f} | {each['quantum_per_second']:.1f}"
        shown = [
            f"{each[part + 'ratio']:.2f} ± {each[part + 'half_width']:.2f}" for part in ("", "cpu_")
        ]
        assert f"| {each['clients']} | {speeds} | {' | '.join(shown)} |" in page


def differences(name):
    """Return the differences to logistic regression in points, over the seeds, by task, language model and head."""
    kept = json.loads((ROOT / "docs" / "records" / f"{name}.json").read_text("utf-8"))
    found = {}
    for row in kept["results"]:
        nested = {"taken": row["taken"]} if "taken" in row else {}
        for head, result in (row["presets"] | nested).items():
            gains = found.setdefault((row["task"], row["body"]), {}).setdefault(head, [])
            gains.append(100 * (result["accuracy"] - row["logistic_regression"]))
    return found


def rows_of(page, first):
    """Return the cells of the head, which begins with ``first``, and of the rows of a table."""
    lines = page[page.index(f"| {first} |") :].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:1] + lines[2:]]


def test_the_decision_on_earlier_heads_has_the_differences_of_its_record():
    page = (ROOT / "docs" / "decisions" / "0014-default-head.md").read_text("utf-8")
    kept = differences("default-head")
    names, *rows = rows_of(page, "task | body")
    assert {(row[0], row[1].strip("`")) for row in rows} == set(kept)
    for row in rows:
        heads = [name.strip("`").replace("`, `", ",") for name in names[4:]]
        shown = dict(zip(heads, row[4:], strict=True))
        for head, cell in shown.items():
            gains = kept[row[0], row[1].strip("`")].get(head, [])
            mean = f"{np.mean(gains):+.2f}".replace("-", "−") if gains else ""
            error = f" ± {stats.sem(gains):.2f}" if len(gains) > 1 else ""
            few = f" ({len(gains)})" if 0 < len(gains) < int(row[2]) else ""
            assert cell == mean + error + few, head


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
    assert max((key for key in right if key[0]), key=right.get) == (True, ADAPTER_RATE)


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


def test_a_qnode_on_the_engine_has_the_times_of_the_record():
    page = (ROOT / "docs" / "qiskit-interfaces.md").read_text("utf-8")
    for row in record("qnode")["results"]:
        ms, own, device = row["ms"], row["ms"]["from_qnode"], row["ms"]["qllmft.adjoint"]
        others = (
            f"{ms[name]:,.0f} ({ms[name] / own:.0f} ×, {ms[name] / device:.0f} ×)"
            for name in ("lightning.qubit", "default.qubit")
        )
        assert (
            f"| {row['qubits']} | {row['batch']} | {own:.1f} | {device:.1f} | {' | '.join(others)} |"
            in page
        )
        assert row["difference"]["from_qnode"] < 3.5e-6
        assert row["difference"]["qllmft.adjoint"] < 5e-15


def test_labels_to_trust_are_those_of_the_record():
    kept = json.loads((ROOT / "docs/records/labels-to-trust.json").read_text("utf-8"))
    rows = kept["results"]
    page = (ROOT / "docs" / "machines.md").read_text("utf-8")
    assert len(rows) == 6
    for row in rows:
        for in_rounds in (False, True):
            calls = [call for call in row["calls"] if call["rounds"] == in_rounds]
            asked = len(calls) * row["texts"]
            shots = np.mean([call["mean_shots"] for call in calls])
            cells = [f"{100 * sum(call['differ'] for call in calls) / asked:.1f}"]
            for rule in ("shots alone", "95 % quantile", "known texts"):
                decided, wrong = np.sum([call["rules"][rule] for call in calls], axis=0)
                cells.append(f"{100 * decided / asked:.1f}, {100 * wrong / max(1, decided):.1f}")
            assert f"| {row['backend']} | {shots:,.0f} | {' | '.join(cells)} |" in page
            assert wrong <= 0.05 * decided, "of the last rule, the one of the commands"


def test_a_network_with_and_without_the_gradient_of_the_engine_has_the_times_of_the_record():
    page = (ROOT / "docs" / "qiskit-interfaces.md").read_text("utf-8")
    for row in record("qiskit_gradient")["results"]:
        ms, own = row["ms"], row["ms"]["gradient="]
        others = (
            f"{ms[name]:,.0f} ({ms[name] / own:.0f} ×)"
            for name in ("Qiskit's estimator", "no gradient=")
        )
        assert f"| {row['qubits']} | {row['batch']} | {' | '.join(others)} | {own:.1f} |" in page
        assert row["difference"] < 1e-12


def test_the_choice_of_labels_to_trust_is_that_of_the_record():
    page = (ROOT / "docs" / "decisions" / "0020-labels-to-trust.md").read_text("utf-8")
    found = {}
    kept = json.loads((ROOT / "docs/records/labels-to-trust-choice.json").read_text("utf-8"))
    for row in kept["results"]:
        own = found.setdefault((row["backend"], row["shots"]), {})
        own[row["known"], row["scale"]] = row
        assert row["wrong"] < 0.004
    columns = [(40, "both, if seen"), (60, "1"), (60, "both errors"), (60, "both, if seen")]
    for (backend, shots), row in found.items():
        cells = (row[column] for column in [*columns, (80, "both, if seen")])
        shown = (f"{100 * c['decided']:.1f} [{100 * c['decided_tenth']:.1f}]" for c in cells)
        assert f"| {backend} | {shots} | {' | '.join(shown)} |" in page
