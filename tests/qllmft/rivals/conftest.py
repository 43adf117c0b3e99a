"""One thread for torch: its threads wait for each other on a busy machine, and these models are tiny."""

from collections.abc import Iterator

import pytest
import torch

collect_ignore = ["conftest.py"]  # it holds no doctests, and other folders have a module of this name


@pytest.fixture(autouse=True)
def one_torch_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
