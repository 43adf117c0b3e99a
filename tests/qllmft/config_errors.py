"""Errors of configurations."""

import pytest

from qllmft.config import parse_config
from qllmft.errors import UserError


def refused(tree) -> str:
    with pytest.raises(UserError) as caught:
        parse_config(tree, "my.toml")
    return str(caught.value)
