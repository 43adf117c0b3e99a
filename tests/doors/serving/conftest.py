"""A served model of the small trained run, and a client of its application."""

from contextlib import contextmanager

import pytest

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture(scope="module")
def serve_model(trained_run):
    """A function that makes a served model, with changes of the stored one."""
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    from qllmft.inference import Predictor
    from qllmft_doors.serving.model import ServedModel
    from qllmft_machines.trust import MeasuredModel

    def make(backend=None, **changes):
        predictor = Predictor(
            Predictor.load(trained_run).model.model_copy(update=changes), folder=trained_run
        )
        measured_model = None if backend is None else MeasuredModel(predictor, backend)
        model = ServedModel(predictor, trained_run, measured_model)
        model.load()
        return model

    return make


@pytest.fixture(scope="module")
def client():
    """A function that connects a client on this machine, a context manager."""
    from starlette.testclient import TestClient

    from qllmft_doors.serving.app import make_app

    @contextmanager
    def connect(model, limits=None, **options):
        app = make_app(model, limits, **options)
        with TestClient(
            app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False
        ) as test_client:
            yield test_client

    return connect
