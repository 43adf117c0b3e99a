"""Nodes of a Ray cluster that embed parts of many texts; a body's folder is sent to those that lack it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, ParamSpec, TypeVar

from filelock import FileLock

from qllmft.cluster import NODES_MAY_DIE, most_pending, ray_cluster
from qllmft.config import BodyConfig
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.location import BodyLocation, locate_body, located_folder
from qllmft.embed.workers import load
from qllmft.errors import UserError
from qllmft.files import writing

PIECE = 2**24  # bytes of a file that are sent at a time
Given = ParamSpec("Given")
Result = TypeVar("Result")


@dataclass(frozen=True)
class SentFolder:
    """Folder on the machine of the command, with references to the pieces of its files on the cluster."""

    path: str
    identity: str
    files: dict[str, list[Any]]


@dataclass(frozen=True)
class SentBody:
    """Body that a node needs; without ``folder`` it is found by its name."""

    config: BodyConfig
    location: BodyLocation
    folder: SentFolder | None
    adapter: SentFolder | None


_loaded: tuple[BodyConfig, BodyLocation] | None = None  # body of a worker


class RayPool(Executor):
    """Workers of a Ray cluster, one per processor, each with a body of its own."""

    def __init__(self, address: str, config: BodyConfig, location: BodyLocation) -> None:
        with ExitStack() as connected:
            self._ray = connected.enter_context(ray_cluster(address))
            # Ray repeats a task if its node or its process dies
            self._task = self._ray.remote(num_cpus=1, max_retries=NODES_MAY_DIE)(do_on_node)
            self._body = self._ray.put(_sent_body(self._ray, config, location))
            self._connected = connected.pop_all()

    def submit(
        self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Result]:
        """Call a function on a node with the body loaded."""
        found: Future[Result] = Future()

        def store(of_ray: Future[Result]) -> None:
            if (error := of_ray.exception()) is not None:
                found.set_exception(_failure(error))
            else:
                found.set_result(of_ray.result())

        self._task.remote(self._body, fn, *args, **kwargs).future().add_done_callback(store)
        return found

    def room(self) -> int:
        """Return the number of parts that should be in flight now."""
        return most_pending(self._ray)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Leave the cluster, which ends the tasks."""
        self._connected.close()


def check_place(config: BodyConfig, jobs: int) -> None:
    """Raise UserError if a body cannot be computed by the processors of a cluster."""
    if jobs != 1:
        raise UserError(
            "--jobs sets processes here, and --ray embeds on a cluster. Omit one of them."
        )
    name = "device_map" if config.device_map else "device"
    if getattr(config, name) not in (None, "cpu"):
        raise UserError(
            f"--ray embeds on processors, and body.{name} of the model is {getattr(config, name)!r}. Omit --ray."
        )


def _failure(error: BaseException) -> BaseException:
    """Return the error of a task as it was raised on its node, or a UserError if Ray gave the task up."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return cause
    return UserError(
        f"the Ray cluster gave up a part of the texts: {str(error).strip().splitlines()[0]}. Look at its nodes, then "
        "run the command again; finished texts are kept."
    )


def do_on_node(body: SentBody, function: Callable[..., Result], *given: Any) -> Result:
    """Call a function on a node, in a process that loads the body once."""
    global _loaded  # Ray keeps the process for the next task
    if _loaded != (body.config, body.location):
        import ray

        load(*_on_this_node(body, ray), 1)
        _loaded = body.config, body.location
    return function(*given)


def _sent_body(ray: Any, config: BodyConfig, location: BodyLocation) -> SentBody:
    folder = Path(location.path)
    named = config.model == "minilm" or not folder.is_dir()
    return SentBody(
        config,
        location,
        None if named else _sent_folder(ray, folder, location.identity),
        None if config.adapter is None else _sent_folder(ray, Path(config.adapter)),
    )


def _sent_folder(ray: Any, folder: Path, identity: str = "") -> SentFolder:
    """Put the files of a folder on the cluster, in pieces, so that no file must fit into memory."""
    files = {
        path.relative_to(folder).as_posix(): _pieces(ray, path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return SentFolder(str(folder), identity or located_folder(folder).identity, files)


def _pieces(ray: Any, path: Path) -> list[Any]:
    with path.open("rb") as file:
        return [ray.put(piece) for piece in iter(lambda: file.read(PIECE), b"")]


def _on_this_node(body: SentBody, ray: Any) -> tuple[BodyConfig, BodyLocation]:
    """Return settings and location of a body with the folders of this node."""
    config, location = body.config, body.location
    if body.adapter is not None:
        config = config.model_copy(update={"adapter": str(_received(body.adapter, ray))})
    if body.folder is not None:
        return config, BodyLocation(str(_received(body.folder, ray)), location.identity)
    if config.model != "minilm":
        return config, location
    here = locate_body(config)
    if here.identity != location.identity:
        raise UserError(
            f"a node of the Ray cluster has another version of the body {config.model!r} (got {here.identity}, "
            f"expected {location.identity}). Install the version of this machine on every node."
        )
    return config, here


def _received(sent: SentFolder, ray: Any) -> Path:
    """Return a folder of this node with the same content, which is written into the cache if there is none."""
    own = Path(sent.path)
    if own.is_dir() and located_folder(own).identity == sent.identity:
        return own
    place = default_cache_folder() / "bodies" / sent.identity
    with writing(f"the folder {place.parent}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.is_dir() or located_folder(place).identity != sent.identity:
                rmtree(place, ignore_errors=True)
                _write(sent, place, ray)
    return place


def _write(sent: SentFolder, place: Path, ray: Any) -> None:
    """Write the files of a folder, all of them or none."""
    with tempfile.TemporaryDirectory(dir=place.parent) as unnamed:
        folder = Path(unnamed) / "body"
        for name, pieces in sent.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("wb") as file:
                for piece in pieces:
                    file.write(ray.get(piece))
        if located_folder(folder).identity != sent.identity:
            raise UserError(
                f"the folder {sent.path} changed while it was sent to a node. Run the command again."
            )
        folder.rename(place)
