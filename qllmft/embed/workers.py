"""Processes and nodes that embed parts of many texts, each with a body of its own, and their results in order."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from shutil import rmtree
from typing import Any, TypeVar

from filelock import FileLock

from qllmft.config import BodyConfig
from qllmft.embed.body import Body, Encoded
from qllmft.embed.cache import default_cache_folder
from qllmft.embed.location import BodyLocation, locate_body, locate_folder
from qllmft_base.errors import UserError
from qllmft_base.files import writing
from qllmft_base.workers import Processes
from qllmft_engine import thread_count

LOOK_INTERVAL_S = 1.0  # time between two looks at the number of workers
PIECE_BYTES = 2**24  # bytes of a file that are sent at a time
Part = TypeVar("Part")
Result = TypeVar("Result")

_sent_body: tuple[BodyConfig, BodyLocation] | None = None  # body of a node, as it was sent
_local_body: tuple[BodyConfig, BodyLocation] | None = None  # that body with the folders of the node


def worker_pool(jobs: int) -> Processes:
    """Return a pool of processes, among which the cores that this process may use are divided."""
    return Processes(jobs, max(1, thread_count() // jobs))


@lru_cache(maxsize=1)  # a process keeps its body for the next task
def load_worker_body(config: BodyConfig, location: BodyLocation, threads: int) -> Body:
    """Return the body of this worker."""
    import torch

    torch.set_num_threads(threads)
    return Body(config, location, light=True)


def encode_part(config: BodyConfig, location: BodyLocation, texts: Sequence[str]) -> Encoded:
    """Return the embeddings of texts by a body in a process of `worker_pool`."""
    return load_worker_body(config, location, thread_count()).encode_with_counts(texts)


def in_order(
    parts: Iterable[Part], submit: Callable[[Part], Future[Result] | None], room: Callable[[], int]
) -> Iterator[tuple[Part, Result | None]]:
    """Yield each part with the result of its task, in order, or with None if it needs no task.

    Parts are read as there is room, which may grow meanwhile. If reading fails, the error is raised after the parts
    before it.
    """
    unread = iter(parts)
    failure = None
    waiting: deque[tuple[Part, Future[Result] | None]] = deque()
    has_more = True
    try:
        while has_more or waiting:
            while has_more and len(waiting) < room():
                try:
                    part = next(unread)
                except StopIteration:
                    has_more = False
                except Exception as error:
                    has_more = False
                    failure = error
                else:
                    waiting.append((part, submit(part)))
            if not waiting:
                break
            part, task = waiting[0]
            if task is None:
                waiting.popleft()
                yield part, None
            elif wait([task], LOOK_INTERVAL_S).done:
                waiting.popleft()
                yield part, task.result()
    finally:
        for _, task in waiting:
            if task is not None:
                task.cancel()
    if failure is not None:
        raise failure


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


def encode_on_node(body: SentBody, texts: Sequence[str]) -> Encoded:
    """Return the embeddings of texts on a node of a Ray cluster, in a process that loads the body once."""
    global _sent_body, _local_body  # Ray keeps the process for the next task
    if _local_body is None or _sent_body != (body.config, body.location):
        import ray

        _local_body = _on_this_node(body, ray)
        _sent_body = (body.config, body.location)
    return load_worker_body(*_local_body, 1).encode_with_counts(texts)


def sent_body(ray: Any, config: BodyConfig, location: BodyLocation) -> SentBody:
    """Return a body with its folder and its adapter on a cluster, unless the nodes find it by its name."""
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
    files: dict[str, list[Any]] = {}
    for path in (candidate for candidate in sorted(folder.rglob("*")) if candidate.is_file()):
        with path.open("rb") as file:
            pieces = [ray.put(piece) for piece in iter(partial(file.read, PIECE_BYTES), b"")]
        files[path.relative_to(folder).as_posix()] = pieces
    return SentFolder(str(folder), identity or locate_folder(folder).identity, files)


def _on_this_node(body: SentBody, ray: Any) -> tuple[BodyConfig, BodyLocation]:
    """Return settings and location of a body with the folders of this node."""
    config = body.config
    location = body.location
    if body.adapter is not None:
        config = config.model_copy(update={"adapter": str(_receive_folder(body.adapter, ray))})
    if body.folder is not None:
        return config, BodyLocation(str(_receive_folder(body.folder, ray)), location.identity)
    if config.model != "minilm":
        return config, location
    local_location = locate_body(config)
    if local_location.identity != location.identity:
        raise UserError(
            f"a node of the Ray cluster has another version of the language model {config.model!r} (got "
            f"{local_location.identity}, expected {location.identity}). Install the version of this computer on every "
            "node."
        )
    return config, local_location


def _receive_folder(sent_folder: SentFolder, ray: Any) -> Path:
    """Return a folder of this node with the same content, which is written into the cache if there is none."""
    original_folder = Path(sent_folder.path)
    if original_folder.is_dir() and locate_folder(original_folder).identity == sent_folder.identity:
        return original_folder
    place = default_cache_folder() / "bodies" / sent_folder.identity
    with writing(f"the folder {place.parent}"):
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if not place.is_dir() or locate_folder(place).identity != sent_folder.identity:
                rmtree(place, ignore_errors=True)
                _write(sent_folder, place, ray)
    return place


def _write(sent_folder: SentFolder, place: Path, ray: Any) -> None:
    """Write the files of a folder, all of them or none."""
    with tempfile.TemporaryDirectory(dir=place.parent) as unnamed:
        folder = Path(unnamed) / "body"
        for name, pieces in sent_folder.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with (folder / name).open("wb") as file:
                for piece in pieces:
                    file.write(ray.get(piece))
        if locate_folder(folder).identity != sent_folder.identity:
            raise UserError(
                f"the folder {sent_folder.path} changed while it was sent to a node. Run the command again."
            )
        folder.rename(place)
