"""The page of public reports lists the tests that hold them."""

from public_reports import COMMAND, PAGE, marked_reports, page


def test_the_page_has_a_row_for_each_marked_test():
    assert PAGE.read_text(encoding="utf-8") == page(marked_reports()), f"write it: {COMMAND}"
