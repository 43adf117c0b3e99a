"""Maps: pairs of heads that are compared, the sentence and the figures."""

from dataclasses import replace

import pytest
from test_studies_on_the_page import row, study

from lab.paper.maps import AXES, read_maps, write_maps
from qllmft_base.errors import UserError
from qllmft_studies.file import Study
from qllmft_studies.record import write_record


def row_of_size(label, side, test, parameters, **values):
    """Return a row whose head has as many parameters with each of three seeds."""
    values |= {"runs": ("0" * 12,) * 3, "parameters": (parameters,) * 3}
    return row(label, side, test, **values)


def write_map(folder, subject=(0.91, 0.92, 0.9)):
    rows = [
        row_of_size("Q", "subject", subject, 50, series="quantum", stored=7),
        row_of_size("small", "baseline", (0.7, 0.71, 0.7), 40, series="axes"),
        row_of_size("large", "baseline", (0.99, 0.98, 0.99), 60, series="axes"),
    ]
    (folder / "a").mkdir(parents=True)
    write_record(folder / "a", replace(study("map", *rows), x="parameters"), {})
    return folder


@pytest.mark.parametrize(
    ("subject", "numbers"),
    [((0.91, 0.92, 0.9), "1 of 1 point"), ((0.6, 0.6, 0.5), "0 of 1 point")],
)
def test_a_head_is_compared_with_those_of_its_size_at_most_and_drawn_with_all(
    tmp_path, subject, numbers, paper
):
    folder = write_map(tmp_path, subject)
    (compared,) = [comparison for _, comparison in read_maps(folder)["parameters"] if comparison]
    assert [c.baseline for c in compared] == ["small"]
    paper("maps", folder, "--out", tmp_path / "page" / "p.md")
    text = (tmp_path / "page" / "p.md").read_text("utf-8")
    assert f"**Quantum heads are better than all baselines at {numbers}**\n" in text
    assert "| test of a point | all baselines at once, Holm over 1 point |" in text
    better = int(numbers[0])
    assert f"| all comparisons | {better} better, " in text
    assert ("| better than all baselines: Q | T |" in text) == bool(better)
    assert "| 50 | 57 | Q | " in text
    assert ("| 50 | Q | small |" in text) == numbers.startswith("1")
    for name in ("parameters", "energy"):
        svg = (tmp_path / "page" / "figures" / f"map-{name}.svg").read_text("utf-8")
        assert all(
            f"<!-- {word} -->" in svg
            for word in ("quantum", "axes", "test accuracy (%)", *AXES[name])
        )


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(UserError, match="no study of a map in which a quantum head has a baseline"):
        write_maps(tmp_path, tmp_path / "page.md")
    plan = {"name": "map", "title": "T", "subject": "s", "baseline": "b", "x": "texts"}
    rows = [
        {"label": side, "side": side, "preset": "odd", "settings": {"train": {"l2": penalty}}}
        for side, penalty in (("subject", 1.0), ("baseline", 2.0))
    ]
    with pytest.raises(ValueError, match="Give rows a series"):
        Study.model_validate({**plan, "rows": rows})
