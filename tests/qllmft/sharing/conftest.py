"""A hub on this machine in the place of the real one."""

import pytest
from hub_stand_in import Hub

# it holds no doctests, and other folders have a module of this name
collect_ignore = ["conftest.py"]


@pytest.fixture
def hub(tmp_path, monkeypatch):
    import huggingface_hub

    with Hub() as stand_in:
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", stand_in.url)
        template = f"{stand_in.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield stand_in
        huggingface_hub.close_session()
