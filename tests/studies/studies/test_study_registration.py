"""Registration of a study: a file of a commit before its runs; a changed plan and reported seeds are refused."""

import hashlib
import json
import math
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from scipy import stats
from tiny_studies import COMMAND, STUDY, settings

from qllmft.run import RunFolder
from qllmft_backends import BackendError
from qllmft_base.errors import UserError
from qllmft_studies.file import Study
from qllmft_studies.plan_file import PlanFile, claim_folder
from qllmft_studies.record import read_study
from qllmft_studies.registration import FILE, register_study
from qllmft_studies.study import run_study

# both rows are read from one run
ROWS = [STUDY.rows[0], {**STUDY.rows[2].model_dump(), "preset": STUDY.rows[0].preset}]
SMALL = Study.model_validate({**STUDY.model_dump(), "rows": ROWS, "seeds": "3-4", "epochs": 1})
AUTHOR = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false")


def change_plan(**changes):
    return Study.model_validate({**SMALL.model_dump(), **changes})


def git(repository, *words):
    done = subprocess.run(
        ["git", "-C", repository, *AUTHOR, *words], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()


def commit(repository, *files):
    git(repository, "add", *files)
    git(repository, "commit", "-q", "-m", "more")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def common_settings(texts, tiny_body):
    return settings(texts, tiny_body)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


@pytest.fixture
def plan(repository, common_settings):
    """A plan in a commit."""
    file = repository / "records" / "plan.json"
    register_study(SMALL, file, common_settings)
    commit(repository, "records")
    return file


def run(study, folder, common, plan):
    return run_study(study, folder, common, COMMAND, registered=plan)


def test_a_registered_study_names_the_commit_and_the_hash(
    tmp_path, repository, common_settings, plan
):
    folder = tmp_path / "out"
    head = git(repository, "rev-parse", "HEAD")
    record = run(SMALL, folder, common_settings, plan)
    digest = hashlib.sha256(plan.read_bytes()).hexdigest()
    day = git(repository, "log", "-1", "--format=%cs")
    starts = [RunFolder(path).read_result().started for path in (folder / "runs").iterdir()]
    first = datetime.fromisoformat(min(starts))
    assert 0 <= (datetime.now(UTC) - first).total_seconds() < 600
    assert record.registered == (
        f"its plan is in git before this record, by commit {head[:12]} of {day} (records/plan.json, SHA-256 "
        f"{digest[:12]}); its first run began on {first:%Y-%m-%d at %H:%M} UTC"
    )
    page = folder / "report.html"
    assert read_study(folder).registered == record.registered
    assert record.registered in page.read_text()
    assert record.registered in (folder / "table.md").read_text()
    reworded = change_plan(notes="Other words.")
    assert run(reworded, folder, common_settings, plan).registered == record.registered, (
        "words are no plan"
    )
    record_folder = repository / "records" / "tiny"
    shutil.copytree(folder, record_folder, ignore=shutil.ignore_patterns("runs"))
    commit(repository, "records")
    assert run(SMALL, folder, common_settings, plan).registered == record.registered, (
        "its own record"
    )


def test_another_plan_is_refused(tmp_path, common_settings, plan):
    folder = tmp_path / "out"
    for other_study, message in (
        (change_plan(margin=1.0), r"Changed: margin \(0\.5, now 1\.0\)\."),
        (change_plan(epochs=2), r"epochs \(1, now 2\)"),
        (change_plan(seeds=1), "seeds"),
    ):
        with pytest.raises(UserError, match=message):
            run(other_study, folder, common_settings, plan)
    with pytest.raises(UserError, match=r"train.lr \(0.05, now 0.5\).*without --registered"):
        run(SMALL, folder, {**common_settings, "train.lr": 0.5}, plan)
    assert not (folder / "runs").exists()


def test_a_plan_is_registered_by_its_only_commit(tmp_path, repository, common_settings):
    folder = tmp_path / "out"
    file = repository / "plan.json"
    with pytest.raises(
        UserError, match=r"no registration .*plan\.json\. .*add --register .*plan\.json\."
    ):
        run(SMALL, folder, common_settings, file)
    register_study(SMALL, file, common_settings)
    with pytest.raises(UserError, match=r"exists already. A registration is never written twice"):
        register_study(SMALL, file, common_settings)
    with pytest.raises(UserError, match=r"is not committed.*git add .* && git commit"):
        run(SMALL, folder, common_settings, file)
    commit(repository, "plan.json")
    content = file.read_text()
    file.write_text(content.replace('"date"', ' "date"'))
    with pytest.raises(UserError, match="is changed since its commit"):
        run(SMALL, folder, common_settings, file)
    commit(repository, "plan.json")
    with pytest.raises(UserError, match="changed by 1 commit after the one that brought it in"):
        run(SMALL, folder, common_settings, file)
    with pytest.raises(UserError, match=r"a git commit brings in, and git says.*git init"):
        register_study(SMALL, tmp_path / "elsewhere" / "plan.json", common_settings)


@pytest.mark.parametrize("name", ["study.json", "plan-file.json", "registration.json"])
def test_a_plan_has_no_name_of_a_file_that_studies_write(repository, common_settings, name):
    with pytest.raises(UserError, match=f"{name} is the name of a file that a study writes"):
        register_study(SMALL, repository / "plans" / name, common_settings)
    assert not (repository / "plans").exists()


def test_a_committed_plan_is_no_record_whatever_its_name_is(
    tmp_path, repository, common_settings, plan
):
    named_like_a_record = plan.rename(plan.with_name("study.json"))
    commit(repository, "records")
    head = git(repository, "rev-parse", "HEAD")
    record = run(SMALL, tmp_path / "out", common_settings, named_like_a_record)
    assert f"by commit {head[:12]}" in record.registered
    register_study(change_plan(seeds="8-9"), repository / "other.json", common_settings)


REFUSED_LATER = {  # changes of the study and of its settings, and what the run would say
    "amplitudes": (
        {},
        {"model.n_qubits": 2, "model.encoder_qubits": 2},
        "2 encoder qubits hold 4 amplitudes",
    ),
    "texts": ({}, {"data.source": "nowhere.csv"}, "nowhere.csv"),
    "label": ({}, {"data.label_column": "mood"}, "mood"),
    "body": ({}, {"body.model": "nowhere/no-such-model"}, "no-such-model"),
    "backend": ({}, {"backend.name": "elsewhere"}, "elsewhere"),
    "budget": ({"budget": 2}, {"baselines.grid": "small"}, "has none of its own to try"),
    "baselines": (
        {"rows": [*ROWS, {**ROWS[1], "label": "R", "classical": "ridge"}]},
        {},
        "not for classif",
    ),
}


@pytest.mark.parametrize("name", REFUSED_LATER)
def test_a_plan_that_cannot_run_is_not_written(tmp_path, repository, common_settings, name):
    changes, more_settings, message = REFUSED_LATER[name]
    if name == "budget":
        changes = changes | {"rows": [ROWS[0], {**ROWS[1], "classical": "mlp"}]}
    study = change_plan(**changes)
    file = repository / "plan.json"
    with pytest.raises((UserError, BackendError), match=message) as when_registered:
        register_study(study, file, common_settings | more_settings)
    assert not file.exists()
    with pytest.raises((UserError, BackendError)) as when_run:
        run_study(study, tmp_path / "out", common_settings | more_settings, COMMAND)
    assert str(when_registered.value) == str(when_run.value)


def test_a_plan_is_not_written_for_a_folder_with_other_work(tmp_path, repository, common_settings):
    folder = tmp_path / "out"
    file = repository / "plan.json"
    folder.write_text("")
    with pytest.raises(UserError, match="is a file, expected a folder"):
        register_study(SMALL, file, common_settings, folder)
    folder.unlink()
    (folder / "runs" / "one").mkdir(parents=True)
    (folder / "runs" / "one" / "result.json").write_text("{}")
    with pytest.raises(UserError, match="has runs from before the registration"):
        register_study(SMALL, file, common_settings, folder)
    claim_folder(folder, PlanFile("another"))
    with pytest.raises(UserError, match="is of the study another, and got tiny"):
        register_study(SMALL, file, common_settings, folder, PlanFile("tiny"))
    assert not file.exists()


def test_runs_from_before_the_registration_are_refused(tmp_path, repository, common_settings, plan):
    folder = tmp_path / "out"
    assert run_study(SMALL, folder, common_settings, COMMAND).registered == "not registered"
    with pytest.raises(UserError, match="has runs from before the registration"):
        run(SMALL, folder, common_settings, plan)
    begun = tmp_path / "begun"
    run(SMALL, begun, common_settings, plan)
    second = repository / "second.json"
    register_study(SMALL, second, common_settings)
    commit(repository, "second.json")
    with pytest.raises(UserError, match=r"were begun with records/plan\.json"):
        run(SMALL, begun, common_settings, second)
    (begun / FILE).write_text("{")
    with pytest.raises(UserError, match=r"registration.json cannot be read.*Restore the file"):
        run(SMALL, begun, common_settings, plan)


def test_reported_seeds_are_refused(tmp_path, repository, common_settings, plan):
    """A record of the same body and data, of another study, that a commit of the repository holds."""
    earlier_study = change_plan(name="other", seeds="4-5", epochs=2)
    folder = repository / "records" / "other"
    run_study(earlier_study, folder, common_settings, COMMAND)
    shutil.rmtree(folder / "runs")
    run(SMALL, tmp_path / "before", common_settings, plan)  # the record is in no commit yet
    commit(repository, "records")
    message = (
        r"records/other/study.json has reported seed 4 on the same language model .*--seeds 6-7"
    )
    with pytest.raises(UserError, match=message):
        run(SMALL, tmp_path / "out", common_settings, plan)
    with pytest.raises(UserError, match=message):
        register_study(SMALL, repository / "again.json", common_settings)
    register_study(change_plan(seeds="6-7"), repository / "fresh.json", common_settings)


def test_reported_seeds_in_a_folder_with_other_letters_are_refused(repository, common_settings):
    folder = repository / "grün"
    folder.mkdir()
    earlier_study = change_plan(seeds="4-5")
    run_study(earlier_study, folder, common_settings, COMMAND)
    shutil.rmtree(folder / "runs")
    (repository / "my-study.json").write_text("{}")  # a name that ends alike
    commit(repository, ".")
    with pytest.raises(UserError, match=r"grün/study.json has reported seed 4 on the same"):
        register_study(SMALL, repository / "plan.json", common_settings)


@pytest.mark.parametrize("content", ['{"a": 1}', None])
def test_a_record_that_cannot_be_read_has_its_remedy(repository, common_settings, content):
    file = repository / "study.json"
    file.write_text("{}")
    commit(repository, ".")
    file.unlink()
    if content:
        file.write_text(content)
    message = (
        r"^study.json may have reported seeds.*git restore study.json\), or rename a file that"
    )
    with pytest.raises(UserError, match=message):
        register_study(SMALL, repository / "plan.json", common_settings)


def test_a_plan_is_not_written_and_run_at_once(cli, tmp_path):
    arguments = ["--register", tmp_path / "a.json", "--registered", tmp_path / "b.json"]
    message = cli.refused("study", "table4", "--quick", *arguments)
    assert "Omit --registered, commit the plan, and run it then" in message


def test_the_plan_has_the_least_difference_that_it_sees(repository, common_settings):
    """Against the noncentral t of scipy, whose power at the printed difference is 80 %."""
    study = change_plan(scatter=2.0, seeds="10-19")
    file = repository / "plan.json"
    least_difference, unit = register_study(study, file, common_settings)
    assert unit == "points"
    assert json.loads(file.read_text())["least_seen"] == least_difference
    level = 0.05 / study.n_comparisons
    critical = stats.t.isf(level / 2, 9)
    shift = least_difference / (2.0 / math.sqrt(10))
    power = stats.nct.sf(critical, 9, shift) + stats.nct.cdf(-critical, 9, shift)
    assert power == pytest.approx(0.8, abs=1e-3)
    assert (
        register_study(change_plan(seeds="10-19"), repository / "other.json", common_settings)
        is None
    )
