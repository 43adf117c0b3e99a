"""A hub on this machine in the place of the real one."""

import pytest
from hub_stand_in import Hub

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    from huggingface_hub import utils

    with Hub() as stand_in:
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", stand_in.url)
        template = f"{stand_in.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        for module in ("constants", "file_download"):  # the second one has a copy before 1.0
            name = f"huggingface_hub.{module}.HUGGINGFACE_CO_URL_TEMPLATE"
            monkeypatch.setattr(name, template, raising=False)
        yield stand_in
        # its name before huggingface-hub 1.0 is the second one
        getattr(utils, "close_session", getattr(utils, "reset_sessions", None))()
