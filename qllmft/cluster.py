"""Connection to a Ray cluster."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from qllmft.errors import UserError
from qllmft.extra import import_extra

NODES_MAY_DIE = 100  # number of times that a task is begun again on another node
# tasks submitted per processor, so that a node that joins finds work and an autoscaler sees demand
PENDING_PER_CPU = 2
FEWEST_PENDING = 4
CONNECT_S = 10.0


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


def most_pending(ray: Any) -> int:
    """Return the number of tasks that the cluster, as it is now, should have at a time."""
    return max(FEWEST_PENDING, PENDING_PER_CPU * int(ray.cluster_resources().get("CPU", 0)))
