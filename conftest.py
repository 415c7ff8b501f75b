"""What holds for every run of pytest in this repository, also for `pytest --nbval` on a chapter."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.hookimpl(optionalhook=True)  # there is no such hook without pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """All cells of a notebook go to one process, since each needs what those before it defined."""
    validates = config.getoption("nbval", False) or config.getoption("nbval_lax", False)
    if not validates or config.getoption("dist") == "each":
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)
