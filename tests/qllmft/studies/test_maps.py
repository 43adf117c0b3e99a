"""Maps: pairs of heads that are compared, the sentence and the figures."""

from dataclasses import replace

import pytest
from tiny_studies import STUDY, record, row

from qllmft.campaign.file import Study
from qllmft.campaign.record import write_record
from qllmft.errors import UserError
from qllmft.report.maps import AXES, read_maps, write_maps


def written(folder, subject=(0.91, 0.92, 0.9)):
    rows = [
        replace(row("Q", "subject", subject, parameters=50), series="quantum", stored=7),
        replace(row("small", "baseline", (0.7, 0.71, 0.7), parameters=40), series="axes"),
        replace(row("large", "baseline", (0.99, 0.98, 0.99), parameters=60), series="axes"),
    ]
    (folder / "a").mkdir(parents=True)
    write_record(folder / "a", record(*rows, x="parameters"), {})
    return folder


@pytest.mark.parametrize(
    ("subject", "said"),
    [((0.91, 0.92, 0.9), "1 of 1 points; Table 0: Q"), ((0.6, 0.6, 0.5), "0 of 1 points")],
)
def test_a_head_is_compared_with_those_of_its_size_at_most_and_drawn_with_all(
    tmp_path, subject, said, cli
):
    folder = written(tmp_path, subject)
    (compared,) = [found for _, found in read_maps(folder)["parameters"] if found]
    assert [c.baseline for c in compared] == ["small"]
    cli("report", folder, "--table", tmp_path / "page" / "p.md")
    text = (tmp_path / "page" / "p.md").read_text("utf-8")
    assert f"at {said} (all baselines of a point at once" in text
    assert "; of 1 comparisons" in text
    assert "| 50 | 57 | Q | " in text
    assert ("| 50 | Q | small |" in text) == said.startswith("1")
    for name in ("parameters", "energy"):
        svg = (tmp_path / "page" / "figures" / f"map-{name}.svg").read_text("utf-8")
        assert all(
            f"<!-- {word} -->" in svg
            for word in ("quantum", "axes", "test accuracy (%)", *AXES[name])
        )


def test_a_folder_without_a_comparison_is_refused(tmp_path):
    with pytest.raises(UserError, match="no study of a map in which a quantum head has a baseline"):
        write_maps(tmp_path, tmp_path / "page.md")
    with pytest.raises(ValueError, match="give rows a series"):
        Study.model_validate({**STUDY.model_dump(), "x": "texts"})
