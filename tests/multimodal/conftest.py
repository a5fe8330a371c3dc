"""What several tests of the full model read, once."""

from __future__ import annotations

import pytest

from avrec_lib.multimodal.dataset import Dataset, clips_dataset


@pytest.fixture(scope="session")
def clips_data() -> Dataset:
    """The book's clips as the settings read them by default; tests must not write into them."""
    return clips_dataset()
