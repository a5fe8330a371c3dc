"""What the tests of sessions, features and storage share: ten events to check by hand, a real log, and one Spark."""

import os

import ibis
import pandas as pd
import pytest

from avrec_lib.behaviour.cleaning import clean
from avrec_lib.behaviour.events import Event, to_frame
from avrec_lib.behaviour.storage import no_spark, spark
from avrec_lib.data.clips import load_clips

T = 1_790_812_800  # Thursday 2026-10-01 00:00 UTC
H = 3600


def _event(number, user, item, action, at, position=None, watch=None):
    text = "😂" if action == "search" else None
    return Event(f"e{number}", "s1", user, item, action, T + at, position, watch, "ios", text)


@pytest.fixture
def ten() -> pd.DataFrame:
    """Two visits of ann, one event of bob, one of nobody known."""
    return to_frame(
        [
            _event(1, "ann", "c1", "impression", 20 * H, 1),  # Thursday, 20:00
            _event(2, "ann", "c1", "click", 20 * H + 5, 1, 30.0),
            _event(3, "ann", "c1", "like", 20 * H + 40, 1),
            _event(4, "ann", "c2", "impression", 20 * H + 60, 2),
            _event(5, "ann", "c2", "click", 20 * H + 65, 2, 19.0),  # until 84 s after 20:00
            _event(6, "ann", None, "search", 50 * H),  # Saturday, 02:00
            _event(7, "ann", "c3", "impression", 50 * H + 10, 1),
            _event(8, "ann", "c3", "click", 50 * H + 20, 1, 50.0),  # until 70 s after 02:00
            _event(9, "bob", "c2", "impression", H, 1),
            _event(10, None, "c1", "click", 2 * H, 1, 12.0),
        ]
    )


@pytest.fixture
def ten_items() -> pd.DataFrame:
    return pd.DataFrame({"item_id": ["c1", "c2", "c3"], "seconds": [40, 20, 60], "category": ["cats", "cats", "jazz"]})


@pytest.fixture(scope="session")
def clips_items() -> pd.DataFrame:
    return load_clips().items.rename(columns={"creator": "category"})[["item_id", "seconds", "category"]]


@pytest.fixture(scope="session")
def clips_log() -> pd.DataFrame:
    """The cleaned events of every tenth viewer; tests must not write into it."""
    clips = load_clips()
    lengths = clips.items.set_index("item_id")["seconds"]
    log = clean(clips.events, item_seconds=lengths)[0]
    return log[log["user_id"].str.endswith("0")].reset_index(drop=True)


@pytest.fixture(scope="session")
def same():
    """Compare two tables whose rows come in any order: sorted by their first columns, floats up to rounding."""

    def compare(found, expected, by=1, rtol=1e-9):
        both = [x if isinstance(x, pd.DataFrame) else x.to_pandas() for x in (found, expected)]
        both = [x.sort_values(list(x.columns[:by]), ignore_index=True) for x in both]
        pd.testing.assert_frame_equal(*both, rtol=rtol, atol=1e-9)

    return compare


@pytest.fixture(scope="session")
def spark_here():
    """One local Spark for all tests."""
    if reason := no_spark():
        pytest.skip(reason)
    before = os.environ.get("JDK_JAVA_OPTIONS")
    os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"  # halves Java's work on small tables
    try:
        con = spark()
    finally:
        os.environ.pop("JDK_JAVA_OPTIONS") if before is None else os.environ.update(JDK_JAVA_OPTIONS=before)
    for name, value in (("codegen.wholeStage", "false"), ("codegen.factoryMode", "NO_CODEGEN")):
        con.raw_sql(f"SET spark.sql.{name}={value}")  # for tables this small, compiling takes longer than the work
    yield con
    con.disconnect()


@pytest.fixture
def table():
    return ibis.memtable
