"""What the whole suite shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from avrec_lib.data import MovieLens

# Before anything loads a library with threads: of several workers on the same cores each gets one thread, because
# threads that waited for each other's cores made a test of two seconds last seventy.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def ml100k() -> MovieLens:
    """MovieLens 100K, from the cache or fetched once; tests must not write into it."""
    from avrec_lib.data import movielens_100k

    return movielens_100k()
