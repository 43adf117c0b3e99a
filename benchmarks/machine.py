"""Properties and load of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

BUSY_LOAD = 0.5
BUSY_CORES = 0.25


def load_average() -> float:
    """Return the mean number of running processes over the last minute, of all users."""
    return round(os.getloadavg()[0], 2)


def cpu_model() -> str:
    """Return the processor's name, or its architecture if the system gives no name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def one_cpu_per_core() -> list[int]:
    """Return the usable CPUs, the first of every physical core before the second ones.

    The list is empty if the system does not give them.
    """
    if not hasattr(os, "sched_getaffinity"):
        return []
    first: list[int] = []
    second: list[int] = []
    seen: set[str] = set()
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = siblings.read_text().strip() if siblings.exists() else str(cpu)
        (second if core in seen else first).append(cpu)
        seen.add(core)
    return first + second


def busy_seconds(pids: Iterable[int]) -> tuple[float, float] | None:
    """Return CPU seconds since boot of the whole machine and of the given live processes, or None without /proc."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, stat.read_text().split("\n", 1)[0].split()[1:]
    )
    ours = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # utime and stime, counted from the field after the name
        ours += int(fields[11]) + int(fields[12])
    return (user + nice + system + irq + softirq) / tick, ours / tick
