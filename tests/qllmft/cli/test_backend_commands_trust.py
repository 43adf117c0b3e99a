"""Known texts and rounds by the command line: what they add to a price, and what is refused before any work."""

import json
import re

import pytest

DEBIASED = ("--backend-option", "error_mitigation=debiasing")


def test_known_texts_are_counted_priced_and_said(job):
    output, messages = job.predict("--dry-run --known-texts 20")
    said = "20 training texts with known answers are measured too: 74.1 % of the circuits"
    assert said in messages
    assert "27 circuits to send" in output
    job.predict("--known-texts 20 --yes")
    assert job.totals["circuits_paid"] == 27
    messages = job.predict("--known-texts 20 --yes")[1]
    assert "undecided by 20 training texts with known answers" in messages
    assert "--known-texts 60" not in messages
    assert job.totals["circuits_paid"] == 27, "the same call has the same known texts"


def test_rounds_have_a_bound_and_an_expected_price(job):
    output, _ = job.predict("--dry-run --rounds 4")
    found = re.search(
        r"at most 28 circuits to send in 12 jobs .*4 rounds of 125, 125, 250, 500 shots; .* "
        r"estimated price: at most ([\d.]+) sandbox-credit, ([\d.]+) sandbox-credit expected",
        output,
    )
    assert found, output
    assert "without a circuit of known answer" in output, "as in one round"
    most, expected = map(float, found.groups())
    assert 0 < expected <= most
    assert most == pytest.approx(float(_price(job.predict("--dry-run")[0])), abs=0.005), (
        "the mock server has no least price"
    )
    _, messages = job.predict("--rounds 4 --yes")
    assert "shots of a circuit on average" in messages
    paid = job.totals["circuits_paid"]
    assert 7 <= paid <= 28
    job.predict("--rounds 4 --yes")
    assert job.totals["circuits_paid"] == paid


def _price(output):
    return re.search(r"estimated price: ([\d.]+)", output).group(1)


def test_an_evaluation_with_known_texts_counts_the_wrong_among_the_decided(job):
    output, _ = job.evaluate("--known-texts 30 --yes --json")
    agreement = json.loads(output)["agreement"]
    assert agreement["known_texts"] == 30
    assert agreement["decided_flips"] <= 0.05 * (agreement["samples"] - agreement["undecided"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--known-texts", 7), r"--known-texts is 7; expected 19 or more.* or 0 for none"),
        (("--rounds", 7), r"begin with 16; expected 20 or more\. Ask for fewer rounds"),
        (("--rounds", 2, "--bootstrap", 5), "--bootstrap draws the shots of one measurement again"),
        (("--rounds", 2, "--aggregation", "average,dnl", *DEBIASED), "--rounds and several values of --aggregation"),
        (("--known-texts", 35), r"--known-texts is 35, and the run has kept 34 training texts"),
    ],
)  # fmt: skip
def test_refused_before_anything_is_sent(job, options, message):
    assert re.search(message, job.predict("--yes", *options, code=2)[1])
    assert job.totals["circuits_paid"] == 0


def test_without_a_backend_they_describe_nothing(run, cli):
    for option in ("--known-texts", "--rounds"):
        _, messages = cli("predict", run.path, "a film", option, 40, code=2)
        assert f"{option} describe a backend, and none is named" in messages
