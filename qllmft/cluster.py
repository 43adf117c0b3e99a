"""Workers of a Ray cluster, for runs and for embedding."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from qllmft.errors import UserError
from qllmft.versions import import_extra

NODES_MAY_DIE = 100  # number of times that a task is begun again on another node
# tasks submitted per processor, so that a node that joins finds work and an autoscaler sees demand
PENDING_PER_CPU = 2
FEWEST_PENDING = 4
CONNECT_S = 10.0
Given = ParamSpec("Given")
Result = TypeVar("Result")


class RayPool(Executor):
    """Workers of a Ray cluster, one per processor. A task is done again if its node or its process dies.

    Args:
        address: HOST:PORT of the cluster, or "auto".
        things: plural noun for the error if the cluster gives a task up, such as "texts".
        again_after: errors after which a task is done again too.

    Raises:
        UserError: if Ray is not installed, or the cluster is not reached.
    """

    def __init__(
        self, address: str, things: str, again_after: Sequence[type[Exception]] = ()
    ) -> None:
        self._things = things
        self._options = {
            "num_cpus": 1,
            "max_retries": NODES_MAY_DIE,
            "retry_exceptions": list(again_after) or False,
        }
        self._tasks: dict[Callable[..., Any], Any] = {}
        self._connected = ExitStack()
        self._ray = self._connected.enter_context(ray_cluster(address))

    def put(self, value: Any) -> Any:
        """Return a reference to a value on the cluster, which tasks take in its place."""
        return self._ray.put(value)

    def submit(
        self, fn: Callable[Given, Result], /, *args: Given.args, **kwargs: Given.kwargs
    ) -> Future[Result]:
        """Call a function on a node."""
        if fn not in self._tasks:
            self._tasks[fn] = self._ray.remote(**self._options)(fn)
        found: Future[Result] = Future()

        def store(of_ray: Future[Result]) -> None:
            if (error := of_ray.exception()) is not None:
                found.set_exception(failure(error, self._things))
            else:
                found.set_result(of_ray.result())

        self._tasks[fn].remote(*args, **kwargs).future().add_done_callback(store)
        return found

    def room(self) -> int:
        """Return the number of tasks that the cluster, as it is now, should have at a time."""
        return max(
            FEWEST_PENDING, PENDING_PER_CPU * int(self._ray.cluster_resources().get("CPU", 0))
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Leave the cluster, which ends the tasks."""
        self._connected.close()


def failure(error: BaseException, things: str) -> BaseException:
    """Return the error of a task as it was raised on its node, or a UserError if Ray gave the task up."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return cause
    return UserError(
        f"the Ray cluster gave up a part of the {things}: {str(error).strip().splitlines()[0]}. Look at its nodes, "
        f"then run the command again; finished {things} are kept."
    )


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """Connect this process to a cluster, unless it is connected, and yield the package ray."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_extra("ray", "--ray needs Ray")
    if ray.is_initialized():
        yield ray
        return
    try:
        _knock(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"--ray {address}: the cluster cannot be reached ({reason}). Start it with `ray start "
            "--head`, join other machines with `ray start --address=…`, and give that address, or auto."
        ) from None
    # no option stops Ray from printing the logs of a dead node (`[state-dump]`)
    with suppress(AttributeError):
        ray._private.worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit() and "/" not in host:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
