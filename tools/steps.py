"""What a command prints of its progress: a line for each step, with its time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print what is under way, and how long it took."""
    start = time.perf_counter()
    print(f"{what:<30}", end="", flush=True)
    try:
        yield
    except BaseException:
        print("stopped", flush=True)
        raise
    print(f"{time.perf_counter() - start:8.0f} s", flush=True)
