"""A second adjoint backend, by its entry in the registry, is accepted as the built-in one is."""

import sys
from types import ModuleType

import pytest
from pydantic import ValidationError

from qllmft.config import RunConfig
from qllmft.heads import build_classifier
from qllmft.inference.evaluation import describe_sampling
from qllmft.plugins import register
from qllmft_backends import BACKENDS, create
from qllmft_backends.registry import Entry
from qllmft_engine.backend import AdjointBackend, AdjointOptions
from qllmft_studies.local import count_processes

NOISE = {"noise": {"gates": "forte1", "shots": 64}}


class Twin(AdjointBackend):
    name = "twin"


@pytest.fixture(params=[True, False], ids=["with the noise section", "without it"])
def entry(request, monkeypatch):
    """A backend of a package of its own; the registry is as it was afterwards."""
    module = ModuleType("twin_package")
    module.Twin = Twin
    module.TwinOptions = AdjointOptions
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(BACKENDS, "_plugins", dict(BACKENDS._plugins))
    monkeypatch.setattr(BACKENDS, "_sources", dict(BACKENDS._sources))
    twin = Entry(
        "a twin", module.__name__, "Twin", "TwinOptions", adjoint=True, noise_section=request.param
    )
    register("backend", "twin", twin)
    return twin


def config(**sections) -> RunConfig:
    return RunConfig.model_validate({"backend": {"name": "twin"}, **sections})


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector", "aer_forte"])
def test_an_entry_says_what_the_backend_says(name):
    if BACKENDS[name].extra:
        pytest.importorskip("qiskit_aer")
    backend = create(name)
    assert backend.capabilities.adjoint == BACKENDS[name].adjoint
    assert backend.capabilities.remote == BACKENDS[name].keeps_ledger


def test_encoders_train_on_it(entry):
    assert (
        config(
            model={"head": "none", "encoder": "quantum", "encoder_qubits": 4, "final_linear": True}
        ).backend.entry
        is entry
    )


def test_the_section_noise_is_its_own_if_it_takes_it(entry):
    if entry.noise_section:
        assert config(**NOISE).noise.backend_options["shots"] == 64
        with pytest.raises(
            ValidationError, match=r"noise of training belongs to the section noise\. Move shots"
        ):
            config(backend={"name": "twin", "options": {"shots": 64}})
    else:
        with pytest.raises(ValidationError, match="'twin' has its own noise and shots"):
            config(**NOISE)
        assert config(backend={"name": "twin", "options": {"shots": 64}}).backend.options == {
            "shots": 64
        }


def test_runs_on_it_share_the_processors(entry, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "3")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("", (), {"available": 2**40}))
    assert count_processes([config()] * 99, None) == 3
    assert count_processes([config(backend={"name": "aer_statevector"})] * 99, None) == 1
    assert count_processes([config(backend={"name": "not installed"})] * 99, None) == 1


def test_heads_on_it_have_its_engine_and_its_trajectories(entry):
    backend = create("twin", {"noise": "forte1", "shots": 100})
    head = build_classifier(RunConfig().model, 1024, 2, backend=backend).head
    assert (head.connector.engine.device, head.connector.is_noisy) == ("cpu", True)
    assert describe_sampling(backend) == "100 shots, one error trajectory each"
