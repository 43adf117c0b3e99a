"""Known texts and rounds by the command line: what they add to a price, and what is refused before any work."""

import json
import re

import pytest

LARGE_JOBS = "--backend-option circuits_per_job=20"
DEBIASED = ("--backend-option", "error_mitigation=debiasing")


def test_known_texts_are_counted_priced_and_said(calibrated_job):
    job = calibrated_job
    output, messages = job.predict("--dry-run --known-texts 20")
    assert "20 calibration texts are measured too: 74.1 % of the circuits" in messages
    assert "Fewer labels" not in messages
    assert "for 27 circuits and 9 check circuits on" in output
    job.predict(f"--known-texts 20 --yes {LARGE_JOBS}")
    assert job.totals["circuits_paid"] == 29
    messages = job.predict(f"--known-texts 20 --yes {LARGE_JOBS}")[1]
    assert "unreliable by 20 calibration texts" in messages
    assert "--known-texts 60" not in messages
    assert job.totals["circuits_paid"] == 29, "the same call has the same known texts"


def test_rounds_have_a_bound_and_an_expected_price(job):
    output, _ = job.predict("--dry-run --rounds 4")
    price = re.search(
        r"Estimated price: at most ([\d.]+) sandbox-credit, ([\d.]+) sandbox-credit expected, for at most 28 circuits "
        r"on qpu.forte-1, 4 rounds of 125, 125, 250, 500 shots. Jobs: 12.",
        output,
    )
    assert price, output
    assert "No check circuit is sent" in output, "as in one round"
    most, expected = map(float, price.groups())
    assert 0 < expected <= most
    assert most == pytest.approx(float(_price(job.predict("--dry-run")[0])), abs=0.005), (
        "the mock server has no least price"
    )
    assert "shots of a circuit on average" in job.predict("--rounds 4 --yes")[1]
    paid = job.totals["circuits_paid"]
    assert 7 <= paid <= 28
    job.predict("--rounds 4 --yes")
    assert job.totals["circuits_paid"] == paid


def _price(output):
    return re.search(r"Estimated price: ([\d.]+)", output).group(1)


def test_fewer_calibration_texts_than_asked_for_are_said_before_and_after(calibrated_job):
    warning = "Fewer labels are reliable: the run has 30 of 40 calibration texts."
    assert warning in calibrated_job.predict("--dry-run --known-texts 40")[1]
    messages = calibrated_job.predict(f"--known-texts 40 --yes {LARGE_JOBS}")[1]
    assert messages.count(warning.removesuffix(".")) == 2
    assert calibrated_job.totals["circuits_paid"] == 39


def test_an_evaluation_with_known_texts_counts_the_wrong_among_the_decided(calibrated_job):
    output, _ = calibrated_job.evaluate(f"--known-texts 30 --limit 10 --yes --json {LARGE_JOBS}")
    agreement = json.loads(output)["agreement"]
    assert agreement["known_texts"] == 30
    assert agreement["decided_flips"] <= 0.05 * (agreement["samples"] - agreement["undecided"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--known-texts", 7), r"--known-texts is 7, expected 19 or more.* or 0 for none"),
        (("--rounds", 7), r"begin with 16, expected 20 or more\. Ask for fewer rounds"),
        (("--rounds", 2, "--bootstrap", 5), "--bootstrap needs one measurement"),
        (
            ("--rounds", 2, "--aggregation", "average,dnl", *DEBIASED),
            "--rounds does not work with several values of --aggregation. Omit one",
        ),
        (
            ("--known-texts", 35),
            r"has 6 calibration texts, expected 19 or more\. Train with more .* Or set --known-texts 0",
        ),
    ],
)  # fmt: skip
def test_refused_before_anything_is_sent(job, options, message):
    assert re.search(message, job.predict("--yes", *options, code=2)[1])
    assert job.totals["circuits_paid"] == 0
