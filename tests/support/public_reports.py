"""The page of public reports: each row is a test with the mark `public_report`, written after the test has passed.

``python -m pytest -m public_report --public-reports`` writes docs/results/public-reports.md.
"""

import ast
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/results/public-reports.md"
COMMAND = "python -m pytest -m public_report --public-reports"
INTRODUCTION = f"""# Public reports

Each row is a small input that once gave a wrong answer, a raw error or an unbounded run, here or in a similar project.
A test of the named file holds the outcome. `{COMMAND}` runs the tests and writes this page.

| case | source | seen | now | test |
| --- | --- | --- | --- | --- |
"""


class PublicReport(NamedTuple):
    """One row of the page; the fields are the keywords of the mark, and ``test`` is the file that holds it."""

    case: str
    source: str
    seen: str
    outcome: str
    test: str

    def row(self) -> str:
        """Return the line of the table."""
        cells = (self.case, self.source, self.seen, self.outcome, f"`{Path(self.test).name}`")
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page(reports: set[PublicReport]) -> str:
    """Return the page with one line for each report, sorted by case."""
    return INTRODUCTION + "".join(f"{report.row()}\n" for report in sorted(reports))


def marked_reports() -> set[PublicReport]:
    """Return the reports that the decorators in tests/ name, without running a test."""
    reports = set()
    for path in sorted(ROOT.glob("tests/**/test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "public_report" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "public_report"
            ):
                fields = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
                reports.add(PublicReport(**fields, test=path.relative_to(ROOT).as_posix()))
    return reports
