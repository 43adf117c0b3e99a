"""Versions of installed packages."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def installed_version(package: str) -> str | None:
    """Return the version of a package, or None if it is not installed. The first call takes milliseconds."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
