"""Exercises of 4.1.2, cleaning: precision and recall, copies, the shift of a clock, and patient programs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from avrec_lib.data.clips import load_clips
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

DAY = 86_400
ROWS = pd.DataFrame(
    [
        ("e1", "s1", "c1", "impression"),
        ("e2", "s1", "c1", "click"),
        ("e1", "s1", "c1", "impression"),  # a copy
        ("e3", "s1", None, "search"),
        ("e3", "s1", None, "search"),  # a copy: neither has a clip
        ("e2", "s9", "c7", "click"),  # another event under a used id
        ("e4", "s1", "c1", "click"),  # the same content under an id of its own
        (None, "s2", "c2", "click"),
        (None, "s2", "c2", "click"),  # without an id nothing tells
        ("e1", "s1", "c1", "impression"),  # a copy
    ],
    columns=["event_id", "session_id", "item_id", "action"],
)


def _check_marks(answer: Any) -> str:  # noqa: ANN401
    refuse_close(answer, (0.75, 0.8), "you have them the wrong way round; which of the two divides by what was named?")
    refuse_close(answer, (0.8, 0.9375), "60 of 64 compares two counts; only the 48 hits are found")
    expect_close(answer, (0.8, 0.75), "both have the 48 hits above the line", rtol=1e-3)
    return "A rule that named all 2,000 rows would have recall 1 and precision 0.032: one number alone says little."


def copies(events: pd.DataFrame) -> np.ndarray:
    same = events.duplicated(["event_id", "session_id", "item_id", "action"])
    return np.asarray(same & events["event_id"].notna())


def _with_the_first(events: pd.DataFrame) -> np.ndarray:
    same = events.duplicated(["event_id", "session_id", "item_id", "action"], keep=False)
    return np.asarray(same & events["event_id"].notna())


def _by_content(events: pd.DataFrame) -> np.ndarray:
    return np.asarray(events.duplicated(["session_id", "item_id", "action"]))


def _by_id_alone(events: pd.DataFrame) -> np.ndarray:
    return np.asarray(events.duplicated("event_id") & events["event_id"].notna())


def _missing_are_equal(events: pd.DataFrame) -> np.ndarray:
    return np.asarray(events.duplicated(["event_id", "session_id", "item_id", "action"]))


def _check_copies(answer: Callable[..., Any]) -> str:
    got = np.asarray(answer(ROWS))
    refuse_close(got, _with_the_first(ROWS), "your rule removes the first of each id as well, and the event with it")
    refuse_close(got, _by_content(ROWS), "row 6 has an id of its own: two equal contents may be two events")
    refuse_close(got, _by_id_alone(ROWS), "row 5 tells of another event under a used id; it is no copy")
    refuse_close(got, _missing_are_equal(ROWS), "two missing ids are not the same id, even if pandas says so")
    expect_close(got, copies(ROWS), "a copy has the id and the content of an earlier row")
    return "On the page's log this finds what the report calls repeated, and nothing else."


def whole_day_shift(times: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    low, high = np.ceil((times - after).max() / 86_400), np.floor((times - before).min() / 86_400)
    return float(low * 86_400) if low == high else 0.0


def _first_row(times: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    return whole_day_shift(times[:1], before[:1], after[:1])


def _any_that_fits(times: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    low, high = np.ceil((times - after).max() / DAY), np.floor((times - before).min() / DAY)
    return float(low * DAY) if low <= high else 0.0


def _always(times: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    return float(np.round((times - (before + after) / 2).mean() / DAY) * DAY)


def _backwards(times: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    return -whole_day_shift(times, before, after)


def _check_shift(answer: Callable[..., Any]) -> str:
    true = np.array([1000, 1030, 1060])
    near = (true - 10, true + 10)
    got = answer(true + 3 * DAY, *near)
    refuse_close(got, -3 * DAY, "your sign is turned: the clock is ahead, so its shift is positive")
    expect_close(got, 3 * DAY, "a clock that is three days ahead, with neighbours ten seconds away")
    expect_close(answer(true - 400 * DAY, *near), -400 * DAY, "a clock may also be slow")
    quiet = (true - np.array([30 * 3600, 10, 10]), true + np.array([10, 10, 30 * 3600]))
    got = answer(true + 3 * DAY, *quiet)
    if got == 0:
        raise Wrong("in one case a single row leaves two whole days; all rows share one shift, so cut their bounds")
    expect_close(got, 3 * DAY, "cut the bounds of all rows: the largest lower one, the smallest upper one")
    if answer(true + 3 * DAY + 5 * 3600, *near) != 0:
        raise Wrong("you return a shift where no whole number of days lies within the bounds; that is a guess")
    if answer(true + 3 * DAY, true - 30 * 3600, true + 30 * 3600) != 0:
        raise Wrong("you return a shift where several whole days fit; nothing tells which")
    return "The library does the same with ten minutes of slack, since rows also arrive a little out of order."


def patient_clicks(seed: int = 0) -> pd.DataFrame:
    """Return the viewers' clicks and those of four programs that click every 40 to 60 minutes for four days.

    Parameters
    ----------
    seed : int

    Returns
    -------
    DataFrame in order of time
        user_id, item_id, timestamp (s), watch_seconds. The programs are called like viewers.
    """
    clips, rng = load_clips(), np.random.default_rng(seed)
    seen = clips.impressions[clips.impressions["click"]]
    people = pd.DataFrame(
        {
            "user_id": clips.viewers["user_id"].to_numpy()[seen["user"]],
            "item_id": clips.items["item_id"].to_numpy()[seen["item"]],
            "timestamp": seen["timestamp"].to_numpy(),
            "watch_seconds": seen["watch_seconds"].to_numpy(),
        }
    )
    first = int(people["timestamp"].min()) // DAY * DAY
    tables = [people]
    for name in _programs(seed):
        start = first + rng.integers(1, 23) * DAY + rng.integers(0, DAY)
        times = start + np.cumsum(rng.integers(40 * 60, 60 * 60, 115))
        like = people.iloc[rng.integers(0, len(people), len(times))]  # clips and watch times of people
        tables.append(like.assign(user_id=name, timestamp=times))
    return pd.concat(tables).sort_values(["timestamp", "user_id"], kind="stable", ignore_index=True)


def _programs(seed: int) -> list[str]:
    return [f"v{2000 + 10 * seed + number}" for number in range(4)]


def patient_programs(clicks: pd.DataFrame) -> set[str]:
    day, hour = clicks["timestamp"] // 86_400, clicks["timestamp"] // 3600
    hours = hour.groupby([clicks["user_id"], day]).nunique()  # in how many hours of a day a user clicked
    return set(hours[hours >= 16].index.get_level_values("user_id"))


def _three_sigma(clicks: pd.DataFrame) -> set[str]:
    counts = clicks.groupby("user_id").size()
    return set(counts.index[counts > counts.mean() + 3 * counts.std()])


def _fast(clicks: pd.DataFrame) -> set[str]:
    ordered = clicks.sort_values(["user_id", "timestamp"])
    fastest = ordered.groupby("user_id")["timestamp"].diff(4).groupby(ordered["user_id"]).min()
    return set(fastest.index[fastest <= 2])


def _night(clicks: pd.DataFrame) -> set[str]:
    at_night = (clicks["timestamp"] // 3600 % 24).between(2, 4)
    return set(clicks["user_id"][at_night])


def _every_day(clicks: pd.DataFrame) -> set[str]:
    hours = (clicks["timestamp"] // 3600).groupby([clicks["user_id"], clicks["timestamp"] // DAY]).nunique()
    fewest = hours.groupby("user_id").min()
    return set(fewest.index[fewest >= 9])


def _check_patient(answer: Callable[..., Any]) -> str:
    for seed in (0, 1):
        clicks, programs = patient_clicks(seed), set(_programs(seed))
        got = answer(clicks)
        if not isinstance(got, (set, frozenset, list, tuple, pd.Index, np.ndarray)):
            raise Wrong("return the set of user ids that you take for programs")
        named = {str(user) for user in got}
        if not named:
            raise Wrong("you name nobody; these programs never click fast and never much")
        if named == _three_sigma(clicks):
            raise Wrong("you name those who click most, and they are people; the programs click less in a month")
        if wrongly := named - programs:
            raise Wrong(f"{len(wrongly)} of the {len(named)} users that you name are viewers")
        if missed := programs - named:
            raise Wrong(f"{len(missed)} of the four programs are not among those you name")
    return "What gives them away is not how fast or how much, but that they do not sleep. The next ones will."


EXERCISES = (
    Exercise(
        id="marks-of-a-cleaner",
        title="Two marks for one rule",
        difficulty=1,
        minutes=3,
        prompt="""
            A rule names 60 of 2,000 rows as those of programs. Of these, 48 are. In truth there are 64.
            What are its precision and its recall?
        """,
        starter="marks = ...  # (precision, recall)",
        hints=(
            "Both are a share, and both count the 48 rows that are named and wrong.",
            "Precision is the share of the named rows, recall the share of the wrong ones.",
        ),
        solution=(0.8, 0.75),
        solution_source="marks = (48 / 60, 48 / 64)",
        check=_check_marks,
        wrong=(
            ((0.75, 0.8), "the wrong way round"),
            ((0.8, 0.9375), "compares two counts"),
            ((0.024, 0.032), "above the line"),
        ),
    ),
    Exercise(
        id="first-of-each-id",
        title="Which rows are copies?",
        difficulty=2,
        minutes=10,
        prompt="""
            Write `copies(events)`: a truth value for each row, True if an *earlier* row has the same event id and the
            same session, clip and action. A missing clip equals a missing clip; a missing id equals nothing.
        """,
        starter="""
            def copies(events):
                ...  # your code here: an array of True and False, one for each row
        """,
        hints=(
            "`DataFrame.duplicated` takes a list of columns, and leaves the first of its kind alone.",
            "It takes two missing values for equal. For the clip that is right; for the id, add `.notna()`.",
        ),
        solution=copies,
        check=_check_copies,
        wrong=(
            (_with_the_first, "removes the first"),
            (_by_content, "two equal contents"),
            (_by_id_alone, "another event under a used id"),
            (_missing_are_equal, "two missing ids"),
        ),
    ),
    Exercise(
        id="shift-of-a-clock",
        title="By how many days is this clock wrong?",
        difficulty=2,
        minutes=12,
        prompt=r"""
            A session on a wrong clock has `times`. Its rows arrived between rows whose clocks are right, at `before`
            and `after` (arrays, all in seconds). Write `whole_day_shift(times, before, after)`: the shift $d$ of the
            page's second equation, in seconds, if exactly one whole number of days fits, else 0.
        """,
        starter="""
            def whole_day_shift(times, before, after):
                ...  # your code here: seconds, positive if the clock is ahead, or 0
        """,
        hints=(
            "Each row bounds the shift from both sides; which of the lower bounds is the strictest?",
            "The smallest whole number above a bound is `np.ceil`, the largest below one `np.floor`.",
            "Exactly one whole number lies between them if the two are equal.",
        ),
        solution=whole_day_shift,
        check=_check_shift,
        wrong=(
            (_first_row, "all rows share one shift"),
            (_any_that_fits, "several whole days fit"),
            (_always, "that is a guess"),
            (_backwards, "your sign is turned"),
        ),
    ),
    Exercise(
        id="patient-programs",
        title="Programs that take their time",
        difficulty=3,
        minutes=25,
        prompt="""
            `patient_clicks()` returns clicks of all viewers and of four programs that know the page's rule: they click
            every 40 to 60 minutes for four days, each 115 times, and watch as long as people do. The table has the
            columns `user_id`, `item_id`, `timestamp` (in seconds) and `watch_seconds`. Write
            `patient_programs(clicks)`, which returns the set of the programs' user ids and no viewer's. It is tried
            on two such tables.
        """,
        starter="""
            from avrec_lib.exercises.bank.p4_1_2 import patient_clicks

            def patient_programs(clicks):
                ...  # your code here: a set of user ids

            # to see the table, run patient_clicks().head() in a cell of its own
        """,
        hints=(
            "Neither speed nor number gives them away. What must people do that a program need not?",
            "Look at one day of one user: in how many different hours of it are there clicks?",
            "Plot a histogram of that number for all users and days, with `log=True` as on the page: programs are few.",
        ),
        solution=patient_programs,
        check=_check_patient,
        wrong=(
            (_fast, "you name nobody"),
            (_three_sigma, "who click most"),
            (_night, "that you name are viewers"),
            (_every_day, "of the four programs"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.1.2",
    questions=(
        Question(
            "A colleague sorts the log by timestamp before cleaning it. What can no longer be found?",
            (
                Option("Repeated rows.", False, "Their event ids are still equal, wherever they stand."),
                Option("Times in milliseconds.", False, "They are still thirteen digits long."),
                Option(
                    "Wrong clocks.",
                    True,
                    "Only the order of arrival says when a row with a wrong time happened, and it is gone.",
                ),
            ),
        ),
        Question(
            "A rule for bots has precision 1 and recall 0.4 on a hand-made sample. What do you know?",
            (
                Option("Some people would be removed.", False, "Precision 1 says that nobody in the sample was."),
                Option(
                    "It removes no people of the sample, and misses more than half of the bots.",
                    True,
                    "It is safe on this sample, and not enough.",
                ),
                Option("Four rows in ten are bots.", False, "Neither mark tells how common bots are."),
            ),
        ),
        Question(
            "Watch times are missing more often when the watch was long. Which of these gives the true mean?",
            (
                Option("The mean of what is left.", False, "Long watches are rarer in it than in truth."),
                Option(
                    "Filling each gap with the mean of clips of that length.",
                    False,
                    "That mean is itself made of the shorter watches among those clips.",
                ),
                Option(
                    "None of them: the table does not say how many long ones are gone.",
                    True,
                    "It takes knowledge from outside, of how the gap arises.",
                ),
            ),
        ),
        Question(
            "NDCG is the same on the raw and on the cleaned log. Was the cleaning for nothing?",
            (
                Option("Yes: what matters is the model.", False, "A list by watch time had two right clips in ten."),
                Option(
                    "No: this model counts clicks, and other numbers use what the dirt ruins.",
                    True,
                    "Mean watch time and days were wrong by factors of 10 and 31, visits by 6 %; features use them.",
                ),
                Option("No: the raw NDCG must be a bug.", False, "It is right; most clicks are sound."),
            ),
        ),
    ),
)
