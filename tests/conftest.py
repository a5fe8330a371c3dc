"""What the whole suite shares."""

import pytest

from avrec_lib.data import MovieLens, movielens_100k


@pytest.fixture(scope="session")
def ml100k() -> MovieLens:
    """MovieLens 100K, from the cache or fetched once; tests must not write into it."""
    return movielens_100k()
