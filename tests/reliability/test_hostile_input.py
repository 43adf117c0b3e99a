"""The properties of any input, with hundreds of examples each in the place of the fast tests' few."""

import pytest
from any_input import EXAMPLES
from pytest_process import ROOT, run_tests

pytestmark = pytest.mark.slow
FILES = {
    "tests/qllmft/cli/test_cli_any_input.py": 300,
    "tests/qllmft/cli/test_cli_any_files.py": 150,
    "tests/studies/studies/test_study_predictions.py": 60,
}
NAMES = {
    "test_any_setting": "`--set` with any pairs",
    "test_any_configuration": "any configuration in TOML",
    "test_any_stream": "any bytes on standard input of `predict`",
    "test_any_table": "tables in TSV, CSV, JSONL and parquet, damaged or any bytes, for `train` and `predict`",
    "test_any_campaign[study]": "a study's TOML, damaged",
    "test_any_campaign[search]": "a search's TOML, damaged",
    "test_any_file_of_a_finished_run": "a file of a finished run, damaged, for `train`, `predict`, `report`, `export`",
    "test_any_file_of_an_unfinished_run": "a file of an unfinished run, damaged, for `train`",
    "test_any_value_in_a_record": "numbers without a float, and values of other types, in any record of a run",
    "test_any_value_in_a_study_record": "numbers without a float, and values of other types, in a study's record",
    "test_any_predictions": "the answers of a study, damaged",
    "test_any_ledger": "a file of the ledger, damaged, for `predict` and `jobs`",
    "test_any_answer_of_the_service": "any status and answer of the service on one route, for paid `predict`",
}


def find_file(name):
    """Return the file of a property."""
    return next(
        file
        for file in FILES
        if f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("name", NAMES)
def test_any_input(name, table):
    words = name.removeprefix("test_").replace("_", " ").replace("campaign[", "").removesuffix("]")
    row = table.begin(f"input, {words}", NAMES[name])
    file = find_file(name)
    arguments = [f"{file}::{name}", f"--hypothesis-seed={row.seed}", "--hypothesis-show-statistics"]
    examples = str(len(table.tries(FILES[file])))
    run_tests(row, arguments, ("passing", "failing"), {EXAMPLES: examples})
