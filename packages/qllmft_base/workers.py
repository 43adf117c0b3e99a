"""Workers of a command, for runs and for embedding: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from qllmft_base.current_folder import ignore_current_folder, safe_children
from qllmft_base.errors import UserError, first_line
from qllmft_base.garbage import rare_collections
from qllmft_base.versions import import_extra

NODES_MAY_DIE = 100  # number of times that a task is begun again on another node
# tasks submitted per processor, so that a node that joins finds work and an autoscaler sees demand
PENDING_PER_CPU = 2
MIN_PENDING = 4
CONNECT_S = 10.0
# a fresh interpreter: a forked one would inherit locks of torch's threads
CONTEXT = multiprocessing.get_context("spawn")
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_parent: Connection | None = None  # this end of the pipe, in a process of `Processes`


class ProcessDiedError(Exception):
    """The process of a task ended without its result."""


class Processes(Executor):
    """Processes of this machine. One that dies costs its own task alone, and all of them end with this process.

    Args:
        count: number of processes.
        threads: number of processors that each may use.
        on_value: called with the values that tasks pass to `report`, in a thread.
    """

    def __init__(
        self, count: int, threads: int, on_value: Callable[[Any], object] = lambda _: None
    ) -> None:
        self._on_value = on_value
        self._processes: list[tuple[Any, Any]] = []  # with their pipes
        self._free: SimpleQueue[tuple[Any, Any]] = SimpleQueue()  # those that have no task
        self._threads = ThreadPoolExecutor(max(1, count))  # one waits for each process
        for _ in range(count):
            ours, theirs = CONTEXT.Pipe()
            process = CONTEXT.Process(target=_serve, args=(theirs, threads), daemon=True)
            with safe_children():
                process.start()
            theirs.close()
            self._processes.append((process, ours))
            self._free.put((process, ours))

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Call a function in the first process that is free. ProcessDiedError if that dies.

        Its arguments are pickled here, so that this thread may change them afterwards.
        """
        return self._threads.submit(self._call, ForkingPickler.dumps((fn, args, kwargs)))

    def _call(self, task: memoryview) -> Any:
        process, pipe = self._free.get()
        try:
            pipe.send_bytes(task)
            while (message := pipe.recv())[0] == "value":
                self._on_value(message[1])
        except (EOFError, OSError):
            raise ProcessDiedError(f"process {process.pid} has died") from None
        finally:
            self._free.put((process, pipe))
        kind, value = message
        if kind == "error":
            raise value
        return value

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: ARG002
        """Terminate the processes, whose tasks may save their state first. A second Ctrl-C kills them.

        A task whose libraries swallow the signal ends as usual. Its process then finds that no other task comes.
        """
        try:
            self._threads.shutdown(wait=False, cancel_futures=True)
            for process, pipe in self._processes:
                process.terminate()
                with suppress(OSError):  # it has ended
                    pipe.send(None)
            for process, _ in self._processes:
                process.join()
        finally:
            for process, _ in self._processes:
                process.kill()
        self._threads.shutdown()


def report(value: object) -> None:
    """Pass a value from a task in a process of `Processes` to the process that submitted it."""
    assert _parent is not None
    with suppress(BrokenPipeError):  # the parent has died; this process is about to end
        _parent.send(("value", value))


def _serve(pipe: Connection, threads: int) -> None:
    """Do the tasks that come through a pipe, one after the other, until None comes."""
    global _parent
    _parent = pipe
    ignore_current_folder()
    os.environ["QLLMFT_THREADS"] = str(threads)
    # a terminal sends Ctrl-C to all; the parent process decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    with rare_collections(), suppress(EOFError, BrokenPipeError, KeyboardInterrupt):
        while (task := pipe.recv()) is not None:
            fn, args, kwargs = task
            try:
                pipe.send(("result", fn(*args, **kwargs)))
            except Exception as error:
                try:
                    pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
                    pipe.send(("error", error))
                except Exception:
                    pipe.send(("error", RuntimeError(repr(error))))


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
        retry_options = {
            "max_retries": NODES_MAY_DIE,
            "retry_exceptions": list(again_after) or False,
        }
        self._options = {"num_cpus": 1, **retry_options}
        self._tasks: dict[Callable[..., Any], Any] = {}
        self._connected = ExitStack()
        self._ray = self._connected.enter_context(ray_cluster(address))

    def put(self, value: Any) -> Any:
        """Return a reference to a value on the cluster, which tasks take in its place."""
        return self._ray.put(value)

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Call a function on a node."""
        if fn not in self._tasks:
            self._tasks[fn] = self._ray.remote(**self._options)(fn)
        result_future: Future[Result] = Future()

        def store(ray_future: Future[Result]) -> None:
            if (error := ray_future.exception()) is not None:
                result_future.set_exception(failure(error, self._things))
            else:
                result_future.set_result(ray_future.result())

        self._tasks[fn].remote(*args, **kwargs).future().add_done_callback(store)
        return result_future

    def room(self) -> int:
        """Return the number of tasks that the cluster, as it is now, should have at a time."""
        processors = int(self._ray.cluster_resources().get("CPU", 0))
        return max(MIN_PENDING, PENDING_PER_CPU * processors)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Leave the cluster, which ends the tasks."""
        self._connected.close()


def failure(error: BaseException, things: str) -> BaseException:
    """Return the error of a task as it was raised on its node, or a UserError if Ray gave the task up."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        return cause
    return UserError(
        f"the Ray cluster gave up a part of the {things}: {first_line(error)}. Look at its nodes, "
        f"then run the command again. Finished {things} are kept."
    )


@contextmanager
def ray_cluster(address: str) -> Iterator[Any]:
    """Connect this process to a cluster, unless it is connected, and yield the package ray."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_extra("ray", "--ray needs Ray")
    if ray.is_initialized():
        yield ray
        return
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit() and "/" not in host:  # Ray itself would try for minutes
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
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
