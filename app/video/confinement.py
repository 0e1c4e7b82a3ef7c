"""What keeps a decoder in its cell: limits of the operating system, set by the child on itself.

Knows no films. What a system does not offer is left out: the parent's watchdog stays.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

MAX_DESCRIPTORS = 32
"""The film, the pipes, and a few while libraries are loaded."""

CPU_BASE_S = 300
"""Processor seconds that any film may take."""

CPU_PER_FILM_SECOND = 60
"""Further processor seconds for each second of film: 4K in software on a slow machine takes 20."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def end_with_parent(parent_pid: int) -> None:
    """Have this process killed when its parent dies; end at once where it is dead already."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def confine(memory_bytes: int, max_duration_s: float) -> None:
    """Limit memory, processor time, files and descriptors of this process for good.

    Args:
        memory_bytes: Address space beyond what is mapped now.
        max_duration_s: Longest film, in seconds.
    """
    hard_cpu_s = int(CPU_BASE_S + CPU_PER_FILM_SECOND * max_duration_s)
    _limit(resource.RLIMIT_CPU, hard_cpu_s)
    _limit(resource.RLIMIT_AS, _mapped_bytes() + memory_bytes)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)


def limit_cpu(film_s: float) -> None:
    """Lower the processor time to what `film_s` seconds of film may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(CPU_BASE_S + CPU_PER_FILM_SECOND * film_s)
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _mapped_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 1 << 30
    return pages * resource.getpagesize()
