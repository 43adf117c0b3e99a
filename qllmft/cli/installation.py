"""Checks of this installation: packages, optional extras, plug-ins, GPU, cache folder."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import metadata, requires
from typing import get_args

from packaging.requirements import Requirement

from qllmft_base.versions import install_command, installed_version

_DEVELOPERS_EXTRA = "dev"


@dataclass(frozen=True)
class Finding:
    """Result of one check."""

    what: str  # name of the part
    found: str
    wrong: bool = False  # whether it keeps qllmft from working


def examine() -> list[Finding]:
    """Check Python, the packages that qllmft needs, its optional extras, plug-ins, the GPU and the cache folder."""
    system = f"{platform.python_version()} on {platform.system()}, {platform.machine()}"
    return [
        Finding("python", system),
        Finding("qllmft", installed_version("qllmft") or "not installed as a package"),
        *_check_packages(),
        *_list_plugins(),
        *_check_machine(),
    ]


def _check_packages() -> Iterator[Finding]:
    """Check the required packages and their versions, then the extras, which may be missing."""
    if not installed_version("qllmft"):
        return
    requirements = [Requirement(line) for line in requires("qllmft") or []]
    required_packages = [
        requirement for requirement in requirements if _applies_to(requirement, "")
    ]
    for requirement in required_packages:
        fault = _find_fault(requirement)
        text = _installed_version(requirement)
        if fault:
            text = f"{fault}: pip install '{requirement.name}{requirement.specifier}'"
        yield Finding(requirement.name, text, wrong=bool(fault))
    for extra in metadata("qllmft").get_all("Provides-Extra") or []:
        if extra == _DEVELOPERS_EXTRA:
            continue
        extra_requirements = [
            candidate
            for candidate in requirements
            if candidate not in required_packages and _applies_to(candidate, extra)
        ]
        missing = [
            f"{package.name}: {fault}"
            for package in extra_requirements
            if (fault := _find_fault(package))
        ]
        versions_text = ", ".join(
            f"{package.name} {_installed_version(package)}" for package in extra_requirements
        )
        remedy = install_command(extra)
        if extra == "gpu" and installed_version("qiskit-aer"):
            # two packages of one Python module
            remedy = f"pip uninstall qiskit-aer, then {remedy}"
        yield Finding(
            f"extra {extra}", f"{'; '.join(missing)}: {remedy}" if missing else versions_text
        )


def _applies_to(requirement: Requirement, extra: str) -> bool:
    """Return whether a requirement applies on this machine to an extra, or without extras for ""."""
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _installed_version(requirement: Requirement) -> str:
    return installed_version(requirement.name) or ""


def _find_fault(requirement: Requirement) -> str:
    """Return the reason why what is installed does not satisfy a requirement, or ""."""
    version = _installed_version(requirement)
    if not version:
        return "not installed"
    allowed = requirement.specifier.contains(version, prereleases=True)
    return "" if allowed else f"{version} is installed, expected {requirement.specifier}"


def _list_plugins() -> Iterator[Finding]:
    """List backends, the built-in names of each kind, and the plug-ins of other packages with their error."""
    from qllmft.plugins import COMMAND_GROUPS, find_registry
    from qllmft_backends.registry import describe
    from qllmft_base.plugins import BUILT_IN, PluginKind

    for backend in (row for row in describe() if row.source == BUILT_IN):
        state = "available" if backend.available else "not available"
        availability = f"{state}: {backend.note}" if backend.note else state
        yield Finding(f"backend {backend.name}", availability)
    rows = [row for kind in get_args(PluginKind) for row in find_registry(kind).list_plugins()]
    rows += [row for row in COMMAND_GROUPS.list_plugins() if row.error]
    for kind in dict.fromkeys(row.kind for row in rows if row.kind != "backend"):
        names = [row.name for row in rows if row.kind == kind and row.source == BUILT_IN]
        yield Finding(f"{kind}, built-in", ", ".join(names))
    for row in (row for row in rows if row.source != BUILT_IN):
        error = f": {row.error}" if row.error else ""
        yield Finding(f"{row.kind} {row.name}", f"{row.source}{error}")


def _check_machine() -> Iterator[Finding]:
    """Check that the packages load together, look for a GPU of torch, and write into the cache of embeddings."""
    try:
        import_module("qllmft.run")
        yield Finding("import", "qllmft and what it needs load")
    except Exception as error:  # a broken package may raise anything while it loads
        text = f"qllmft does not load: {type(error).__name__}: {error}"
        yield Finding("import", text, wrong=True)
    try:
        import torch

        from qllmft_engine.torch.devices import engine_text

        kind = torch.accelerator.current_accelerator(check_available=True)
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else kind
        gpu_text = (
            f"{name}. Circuits run there with --device {kind}, {engine_text(str(kind))}"
            if kind
            else "none"
        )
    except Exception as error:  # a broken driver, or a broken torch, which does not load above
        gpu_text = f"none: {error}"
    yield Finding("GPU", gpu_text)
    from qllmft.embed.cache import default_cache_folder
    from qllmft_engine import ahead

    folder = default_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield Finding("cache", f"{folder} can be written")
    except OSError as error:
        text = f"{folder} cannot be written: {error.strerror}. Choose another with QLLMFT_CACHE."
        yield Finding("cache", text, wrong=True)
    kernel_folder = ahead.kernel_folder()
    if kernel_folder is not None:
        yield Finding("compiled kernels", f"{kernel_folder} can be written")
    else:
        text = "each command compiles them, as no folder of yours can be written. Choose one with NUMBA_CACHE_DIR."
        yield Finding("compiled kernels", text, wrong=True)
