"""Backends by name: the entries of the registry, and the errors of wrong requests."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel
from qiskit.primitives import BaseEstimatorV2

from qllmft_backends import (
    BACKENDS,
    Backend,
    BackendError,
    MissingExtraError,
    UnknownBackendError,
    create,
)
from qllmft_backends.registry import Entry
from qllmft_engine.backend import AdjointBackend

ROOT = Path(__file__).parents[2]
EVERY_BACKEND = pytest.mark.parametrize("name", BACKENDS)


def import_backend(name: str):
    """The backend's module, or a skipped test where its extra is not installed."""
    entry = BACKENDS[name]
    try:
        return import_module(entry.module)
    except ModuleNotFoundError as error:
        if entry.extra is None:
            raise
        pytest.skip(f"{name} needs {error.name}, of the extra {entry.extra}")


@EVERY_BACKEND
def test_an_entry_names_a_backend_and_its_options(name):
    entry = BACKENDS[name]
    module = import_backend(name)
    backend = getattr(module, entry.backend)
    options = getattr(module, entry.options)
    assert issubclass(backend, Backend)
    assert backend.name == name
    assert issubclass(options, BaseModel)
    assert entry.summary == entry.summary.strip() != ""
    assert "\n" not in entry.summary


@EVERY_BACKEND
def test_an_entrys_extra_is_one_that_the_project_declares(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert BACKENDS[name].extra in (None, *project["optional-dependencies"])


@EVERY_BACKEND
def test_an_unknown_option_is_refused_with_the_list_of_the_known_ones(name):
    options = getattr(import_backend(name), BACKENDS[name].options)
    with pytest.raises(UnknownBackendError) as caught:
        create(name, {"no_such_option": 3})
    message = str(caught.value)
    assert message.startswith(f"backend {name!r}: ")
    assert "option no_such_option = 3: " in message
    option_names = [field.alias or key for key, field in options.model_fields.items()]
    assert message.endswith(f"Its options are: {', '.join(option_names) or 'none'}.")


def test_adjoint_is_there_without_any_extra_and_exact_by_default():
    backend = create("adjoint")
    assert isinstance(backend, AdjointBackend)
    assert backend.options.dtype == "float32"
    assert create("adjoint", {"dtype": "float64"}).options.dtype == "float64"
    assert backend.capabilities.exact
    assert backend.capabilities.adjoint
    assert not backend.capabilities.paid
    assert isinstance(backend.estimator(), BaseEstimatorV2)


INSTALL = "Install the package that has it, or call qllmft.register('backend', 'zzz', ...) before."


@pytest.mark.parametrize(
    ("name", "hint"),
    [*((name, "Did you mean 'adjoint'?") for name in ("adjont", "Adjoint")), ("zzz", INSTALL)],
)
def test_an_unknown_name_is_answered_with_those_there_are(name, hint):
    with pytest.raises(UnknownBackendError) as caught:
        create(name)
    expected = f"there is no backend {name!r}, expected one of {', '.join(BACKENDS)}. {hint}"
    assert str(caught.value) == expected
    assert isinstance(caught.value, BackendError)


@pytest.fixture
def phantom(tmp_path, monkeypatch):
    """A function that registers a backend whose module imports a package that does not exist."""
    (tmp_path / "phantom_backend.py").write_text("import no_such_package_anywhere\n")
    monkeypatch.syspath_prepend(tmp_path)

    def register(extra: str | None) -> None:
        entry = Entry("a test's", "phantom_backend", "PhantomBackend", "PhantomOptions", extra)
        BACKENDS.register("phantom", entry)

    yield register
    BACKENDS.unregister("phantom")


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (
            "ghosts",
            r"'phantom' needs the package 'no_such_package_anywhere', which is not installed: pip install .*ghosts",
        ),
        (None, r"'phantom' \(registered in Python\) does not load: ModuleNotFoundError: .*no_such_package_anywhere"),
    ],
)  # fmt: skip
def test_a_package_that_is_missing_is_named_and_leaves_the_others_alone(phantom, extra, message):
    phantom(extra)
    with pytest.raises(MissingExtraError, match=f"^backend {message}") as caught:
        create("phantom")
    assert isinstance(caught.value, BackendError)
    assert create("adjoint").name == "adjoint"


def test_backends_are_imported_when_they_are_asked_for_and_the_engine_loads_no_torch():
    code = """if True:
        import sys, qllmft_backends as b
        print([name for name in ("qiskit_aer", *(e.module for e in b.BACKENDS.values())) if name in sys.modules])
        b.create("adjoint")
        print([name for name in sys.modules if name == "torch"])
        """
    process_options = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 180}
    process = subprocess.run([sys.executable, "-c", code], **process_options)
    assert process.stdout.split() == ["[]", "[]"], process.stdout + process.stderr
