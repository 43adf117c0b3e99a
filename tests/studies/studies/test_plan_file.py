"""A study's folder belongs to one plan."""

import json

import pytest

from qllmft_base.errors import UserError
from qllmft_studies.plan_file import FILE, PlanFile, check_folder, claim_folder


@pytest.fixture
def plans(tmp_path):
    """Two files of one name with other rows, and a folder with a run."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.toml").write_text(f"title = '{name}'")
    (tmp_path / "study" / "runs" / "012345678901").mkdir(parents=True)
    return [tmp_path / name / "mine.toml" for name in ("a", "b")]


def claim(folder, file):
    plan = PlanFile.find(str(file), "mine")
    check_folder(folder, plan)
    claim_folder(folder, plan)


def test_another_file_of_the_same_name_is_refused(plans, tmp_path):
    folder = tmp_path / "study"
    claim(folder, plans[0])
    content = (folder / FILE).read_bytes()
    with pytest.raises(
        UserError, match=r"is of the study .*a/mine\.toml, and got .*b/mine\.toml.*--out"
    ):
        claim(folder, plans[1])
    with pytest.raises(UserError, match=r"and got table2\. Give another folder with --out"):
        check_folder(folder, PlanFile.find("table2", "table2"))
    assert (folder / FILE).read_bytes() == content


def test_a_changed_file_and_a_copy_of_it_continue(plans, tmp_path):
    folder = tmp_path / "study"
    claim(folder, plans[0])
    plans[0].write_text("title = 'changed'")
    claim(folder, plans[0])
    copy = tmp_path / "copy.toml"
    copy.write_bytes(plans[0].read_bytes())
    claim(folder, copy)
    assert json.loads((folder / FILE).read_text())["plan"] == str(plans[0])


def test_a_folder_without_runs_is_free(plans, tmp_path):
    folder = tmp_path / "new"
    claim(folder, plans[0])
    claim(folder, plans[1])
    assert json.loads((folder / FILE).read_text())["plan"] == str(plans[1])


def test_two_studies_of_the_package_do_not_share_a_folder(tmp_path):
    (tmp_path / "runs" / "0").mkdir(parents=True)
    claim_folder(tmp_path, PlanFile.find("noise", "fig11-small"))
    with pytest.raises(UserError, match=r"is of the study fig11-small, and got fig11\."):
        check_folder(tmp_path, PlanFile.find("noise", "fig11"))


def test_a_damaged_file_is_named(plans, tmp_path):
    folder = tmp_path / "study"
    (folder / FILE).write_text("[]")
    with pytest.raises(UserError, match=r"plan-file\.json cannot be read.*Delete it if"):
        claim(folder, plans[0])
