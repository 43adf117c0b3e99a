"""The page on many labels is that of its record."""

from examples.experiments.common import DOCS
from examples.experiments.many_labels_page import circuits, render


def test_the_page_is_that_of_the_record(tmp_path):
    page = tmp_path / "page.md"
    render(DOCS / "records" / "many-labels.json", page)
    committed = (DOCS / "results" / "many-labels.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == committed


def test_a_machine_holds_whole_registers():
    row = {"qubits": 96, "registers": 12}
    assert [circuits(row, qubits) for qubits in (7, 8, 25, 36, 96)] == [12, 12, 4, 3, 1]
