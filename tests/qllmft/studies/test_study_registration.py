"""Registration of a study: written before test texts are read; a changed plan is refused."""

import hashlib
import json

import pytest
from tiny_studies import COMMAND, STUDY, settings

from qllmft.campaign.file import Study
from qllmft.campaign.record import read_record
from qllmft.campaign.study import register_study, run_study
from qllmft.errors import UserError
from qllmft.report import finish_study

SMALL = Study.model_validate(
    {**STUDY.model_dump(), "rows": [STUDY.rows[0], STUDY.rows[4]], "seeds": "3-3", "epochs": 1}
)


def changed(**changes):
    return Study.model_validate({**SMALL.model_dump(), **changes})


@pytest.fixture
def given(texts, tiny_body):
    return settings(texts, tiny_body)


def test_a_registered_study_says_so_and_another_plan_is_refused(tmp_path, given):
    folder = tmp_path / "out"
    first = register_study(SMALL, folder, given)
    content = json.loads((folder / "registration.json").read_text())
    assert (
        hashlib.sha256(
            json.dumps(content["plan"], sort_keys=True, ensure_ascii=False).encode()
        ).hexdigest()
        == (content["hash"])
    )
    assert register_study(SMALL, folder, given) == first, "the same plan again keeps its date"
    for other, message in (
        (changed(margin=1.0), r"changed: margin \(0.5, now 1.0\)"),
        (changed(epochs=2), r"epochs \(1, now 2\)"),
        (changed(seeds=1), "seeds"),
    ):
        with pytest.raises(UserError, match=message):
            run_study(other, folder, given, COMMAND)
    with pytest.raises(UserError, match=r"train.lr \(0.05, now 0.5\)"):
        run_study(SMALL, folder, {**given, "train.lr": 0.5}, COMMAND)
    assert not (folder / "runs").exists()
    assert (
        run_study(changed(notes="Other words."), folder, given, COMMAND).registered
        == first.sentence
    )
    page = finish_study(folder, run_study(SMALL, folder, given, COMMAND))
    assert read_record(folder).registered == first.sentence
    assert f"registered on {first.date[:10]}" in first.sentence
    assert "before the test texts were read" in page.read_text()
    assert first.sentence in (folder / "table.md").read_text()
    (folder / "registration.json").unlink()
    with pytest.raises(UserError, match="have read the test texts already"):
        register_study(SMALL, folder, given)


def test_a_study_without_a_registration_says_so(finished):
    assert finished[1].registered == "not registered"
    assert "not registered" in finished[2].read_text()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"date": 3}', '{"date": "x", "hash": "y", "plan": {}}']
)
def test_a_registration_that_cannot_be_read(tmp_path, given, content):
    (tmp_path / "registration.json").write_text(content)
    with pytest.raises(UserError, match=r"registration.json cannot be read.*Restore the file"):
        run_study(SMALL, tmp_path, given, COMMAND)


def test_a_registration_whose_plan_was_edited_is_refused(tmp_path, given):
    register_study(SMALL, tmp_path, given)
    path = tmp_path / "registration.json"
    path.write_text(path.read_text().replace('"margin": 0.5', '"margin": 0.9'))
    with pytest.raises(UserError, match="its plan has the hash"):
        run_study(changed(margin=0.9), tmp_path, given, COMMAND)
