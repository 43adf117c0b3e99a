"""What every test may count on: no network, caches of the session's own, the real data where they are, a tiny body."""

import gc
import os
import shutil
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from public_reports import PAGE, PublicReport, page

pytest_plugins = ["core_fixtures", "command_fixtures"]

GOOD = ("good", "great", "fine", "lovely")
BAD = ("bad", "awful", "dull", "poor")
TINY_DIMENSION = 16
NUMBER_TYPES = ("float32", "float64")  # of the compiled engine
# new objects between two searches for cycles: Python's own 700 to 2,000 cost a sixth of the time of the tests
OBJECTS_BETWEEN_SEARCHES = 50_000


def pytest_configure(config):
    """Before any library that reads these is imported."""
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
    folder = tempfile.mkdtemp(prefix="qllmft-tests-")
    os.environ["HF_HUB_OFFLINE"] = "1"
    # no threads for the weights of a tiny body
    os.environ.setdefault("HF_DEACTIVATE_ASYNC_LOAD", "1")
    os.environ["HF_HOME"] = f"{folder}/hub"
    os.environ["QLLMFT_CACHE"] = f"{folder}/cache"
    os.environ["QLLMFT_JOBS"] = "1"  # more are what some tests ask for
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if is_worker:  # whose neighbours have the other cores
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        os.environ.setdefault("QLLMFT_THREADS", "1")
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    has_workers = bool(config.getoption("numprocesses", None))
    if not is_worker:
        compile_kernels(has_workers)
    if not has_workers:  # this process runs tests
        import torch

        if not torch.accelerator.is_available():
            os.environ.setdefault("TRITON_INTERPRET", "1")  # its kernels then run on any CPU


def compile_kernels(has_workers):
    """Compile the engine, so that no test is the first to compile, and says so.

    Workers have all kernels before they begin, since each would compile what the others compile.
    """
    from qllmft_engine.compiled.ahead import (
        COMPLEX_GATES,
        REAL_GATES,
        SHOTS,
        compile_ahead,
        wait_for_compilation,
    )

    for functions in (REAL_GATES, SHOTS, COMPLEX_GATES) if has_workers else (REAL_GATES,):
        compile_ahead(NUMBER_TYPES, functions)
        for dtype in NUMBER_TYPES:
            wait_for_compilation(dtype, functions)


def pytest_collection_finish():
    """Modules live to the end of the session, so no search for cycles looks at what was imported so far.

    Each sentence transformer asks which packages are installed: one answer is enough.
    """
    gc.freeze()
    if environment := sys.modules.get("sentence_transformers.util.environment"):
        environment.check_package_availability = cache(environment.check_package_availability)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Return the schedule of `--dist loadfile`; of another one, pytest-xdist's own."""
    if config.getoption("dist") != "loadfile":
        return None
    from worker_schedule import ForkingFilesTogether

    return ForkingFilesTogether(config, log)


def pytest_addoption(parser):
    parser.addoption(
        "--public-reports",
        action="store_true",
        help="write docs/results/public-reports.md from the tests marked public_report that passed",
    )


def pytest_runtest_setup(item):
    """Begin torch's random numbers anew, so that a test draws the same ones behind any other test.

    The report that a test holds is attached to its outcome, which xdist's workers send as it is.
    """
    import torch

    torch.default_generator.manual_seed(0)
    for mark in item.iter_markers("public_report"):
        test = Path(item.path).relative_to(item.config.rootpath).as_posix()
        item.user_properties.append(("public_report", dict(mark.kwargs) | {"test": test}))


PASSED_REPORTS = set()
FAILED_REPORTS = set()


def pytest_runtest_logreport(report):
    for name, fields in report.user_properties:
        if name == "public_report":
            reports = PASSED_REPORTS if report.passed else FAILED_REPORTS
            reports.add(PublicReport(**fields))


def pytest_sessionfinish(session):
    if session.config.getoption("--public-reports", default=False):
        PAGE.write_text(page(PASSED_REPORTS - FAILED_REPORTS), encoding="utf-8")


@pytest.fixture(scope="session")
def sst2():
    """The folder of SST-2's three files; it is there where QLLMFT_SST2 says so."""
    folder = os.environ.get("QLLMFT_SST2")
    if not folder:
        pytest.skip(
            "QLLMFT_SST2 does not name the folder with train.tsv, validation.tsv and test.tsv of SST-2"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_body(tmp_path_factory):
    """The folder of a sentence-transformers model that loads in milliseconds: the mean of word vectors.

    The first entry of a vector is higher for the words of GOOD and lower for those of BAD; the rest is random.
    """
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = ["[UNK]", *GOOD, *BAD, "film", "plot", "cast", "score", "ending", "not", "very"]
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = torch.randn(len(words), TINY_DIMENSION, generator=torch.Generator().manual_seed(0))
    vectors[:, 0] += torch.tensor([3.0 * ((word in GOOD) - (word in BAD)) for word in words])
    folder = tmp_path_factory.mktemp("body") / "tiny"
    module = StaticEmbedding(tokenizer, embedding_weights=vectors)
    SentenceTransformer(modules=[module], device="cpu").save(str(folder), create_model_card=False)
    return folder


@pytest.fixture(scope="session", autouse=True)
def undrawn_figures():
    """Pages have placeholders for figures, which take most of a page's time. The value is the function that draws.

    Tests that look at figures, and those of examples, ask for `drawn_figures`.
    """
    from markupsafe import Markup

    from qllmft.report import style

    def placeholder(figure, name):
        return Markup(f'<svg id="{name}-figure"></svg>')

    draw = style.as_svg
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "as_svg", placeholder)
        patch.setattr(style, "save_for_print", lambda *_: [])
        yield draw


@pytest.fixture(scope="module")
def drawn_figures(undrawn_figures):
    """Pages have their figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.report.style.as_svg", undrawn_figures)
        yield


@pytest.fixture(scope="module")
def short_baselines():
    """Baselines end after a few epochs: on so few texts their validation loss falls for a thousand."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qllmft.training.head.MAX_EPOCHS", 60)
        yield


@pytest.fixture(scope="session")
def forking_reader(tmp_path_factory):
    """The process that forks readers of circuits, see `ForkingReader`."""
    from forked_reader import ForkingReader

    reader = ForkingReader(tmp_path_factory.mktemp("reader"))
    yield reader
    reader.close()


@pytest.fixture
def forked_reader(request, monkeypatch):
    """Each circuit of a file is read in a process that is forked, and imports nothing."""
    if hasattr(os, "fork"):
        reader = request.getfixturevalue("forking_reader")
        monkeypatch.setattr("qllmft_circuits.files.reading._run_reader", reader)


@pytest.fixture(scope="session")
def forking_table_reader():
    """The process that forks readers of tables, see `ForkingTableReader`."""
    from forked_tables import ForkingTableReader

    reader = ForkingTableReader()
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def forked_table_reader(request):
    """Each foreign table is read in a process that is forked, and imports nothing.

    `tests/tables/test_foreign_files.py` and `test_hostile_tables.py` read in processes of their own.
    """
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "fork"):
            reader = request.getfixturevalue("forking_table_reader")
            patch.setattr("qllmft_tables.foreign_files.run_python", reader)
        yield


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that installs a package, version 1.0, into a folder of its own: entry points by group, and modules."""
    from qllmft.plugins import COMMAND_GROUPS, find_registry
    from qllmft_base.plugins import PluginKind

    site = tmp_path / "site"
    names = []
    roots = set()
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def put(name, points, modules):
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = []
        for group, group_points in points.items():
            lines += [
                f"[{group}]",
                *(f"{point} = {place}" for point, place in group_points.items()),
            ]
            names.extend(group_points)
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for path, content in modules.items():
            (site / path).parent.mkdir(exist_ok=True)
            (site / path).write_text(content)
            roots.add(Path(path).parts[0].removesuffix(".py"))

    yield put
    for registry in (COMMAND_GROUPS, *map(find_registry, get_args(PluginKind))):
        for name in names:
            registry.unregister(name)
    for module in [module for module in sys.modules if module.partition(".")[0] in roots]:
        del sys.modules[module]


@pytest.fixture
def made_run(tmp_path):
    """A function that writes the folder of a finished run of a preset, with given accuracies."""
    import json

    import tomli_w

    from qllmft import load_preset
    from qllmft.run.record import BodyRecord, DataRecord, ModelResult, RunRecord
    from qllmft.tasks.accuracy import Accuracy

    def write(
        preset,
        test=800,
        validation=60,
        *,
        seed=0,
        folder="runs",
        baselines=(),
        curve=(),
        data="sst2",
        **settings,
    ):
        user_settings = {name.replace("__", "."): value for name, value in settings.items()}
        user_settings |= {"seed": seed, "body.model": "minilm", "data.source": f"/data/{data}"}
        config = load_preset(preset).config(user_settings)
        run = tmp_path / folder / f"{config.identity}-{data}"
        run.mkdir(parents=True)
        (run / "config.toml").write_text(
            tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))
        )
        rows = [("quantum head", 353, test, validation), *baselines]
        record = RunRecord(
            identity=config.identity,
            seed=seed,
            data=DataRecord(
                f"/data/{data}",
                data,
                ("negative", "positive"),
                {"train": 435, "validation": 77, "test": 1000},
            ),
            body=BodyRecord("minilm", "body", 384),
            selected_epoch=1,
            models=tuple(
                ModelResult(
                    name, Accuracy(right_validation, 77), parameters, test=Accuracy(right, 1000)
                )
                for name, parameters, right, right_validation in rows
            ),
        )
        (run / "result.json").write_text(json.dumps(record.to_json()))
        lines = [
            {
                "epoch": i + 1,
                "train_loss": loss,
                "validation_loss": 0.5,
                "score": accuracy,
                "lr": 1e-3,
            }
            for i, (loss, accuracy) in enumerate(curve)
        ]
        (run / "metrics.jsonl").write_text(
            "".join(json.dumps(line | {"seconds": 0.1}) + "\n" for line in lines)
        )
        return run

    return write


@pytest.fixture
def paper(capsys):
    """`python -m lab.paper` as a function: its output and its messages; anything but ``code`` at its end fails."""
    from lab.paper.__main__ import main

    def call(*arguments, code=0):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        output, messages = capsys.readouterr()
        assert (end.value.code or 0) == code, f"{output}\n{messages}"
        return output, messages

    return call


@pytest.fixture
def forked_workers(monkeypatch):
    """Processes of a command are forked from one that has imported torch, not spawned."""
    from forked_scripts import WorkerContext

    from qllmft_base import workers

    monkeypatch.setattr(workers, "CONTEXT", WorkerContext())
