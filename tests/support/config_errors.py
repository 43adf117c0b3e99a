"""The error of a configuration that is refused."""

import pytest

from qllmft.config import parse_config, parse_settings, with_settings
from qllmft_base.errors import UserError


def read_error(tree):
    with pytest.raises(UserError) as caught:
        parse_config(tree, "my.toml")
    return str(caught.value)


def read_tree(settings: str):
    """A tree of settings as on the command line, with blanks between them."""
    return with_settings({}, parse_settings(settings.split()))
