"""Exercises of 4.1.3, features: a count that fades, a mean hour, a rate that was known, and seven suspects."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from avrec_lib.behaviour.point_in_time import before
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

DAY = 86_400
LEAKING = {"rate_of_the_day", "place_in_month", "popularity", "last_opened"}
NIGHTS = ([22.0, 23.0, 3.0], [23.5, 0.5, 1.0, 2.0], [8.0, 9.0, 13.0], [20.25])
USERS = np.array([7, 3, 7, 7, 3, 7, 9])
TIMES = np.array([50, 10, 20, 20, 30, 10, 40])
CLICKS = np.array([1, 1, 0, 1, 0, 1, 1])


def _check_fading(answer: float) -> str:
    refuse_close(answer, 12 * np.exp(-2) + 2, "you fade with e; a half-life halves, so the base is 2")
    refuse_close(answer, 8, "six days are two half-lives, not one")
    refuse_close(answer, 3.5, "the two new events are of this moment, so they have not faded")
    refuse_close(answer, 3, "that is what is left of the old count; the two new events are missing")
    expect_close(answer, 5, "halve once for every three days, then add what is new", rtol=1e-3)
    return "One number and one time were enough. The events behind the 12 need not be kept."


def mean_hour(hours: list[float]) -> float:
    angles = np.asarray(hours) * 2 * np.pi / 24
    return float(np.arctan2(np.sin(angles).mean(), np.cos(angles).mean()) * 24 / (2 * np.pi) % 24)


def _plain(hours: list[float]) -> float:
    return float(np.mean(hours))


def _negative(hours: list[float]) -> float:
    hour = mean_hour(hours)
    return hour - 24 if hour > 12 else hour


def _turned(hours: list[float]) -> float:
    return (6 - mean_hour(hours)) % 24


def _in_radians(hours: list[float]) -> float:
    return mean_hour(hours) * 2 * np.pi / 24


def _of_slope(hours: list[float]) -> float:
    angles = np.asarray(hours) * 2 * np.pi / 24
    return float(np.arctan(np.sin(angles).mean() / np.cos(angles).mean()) * 24 / (2 * np.pi) % 24)


def _check_hour(answer: Callable[..., Any]) -> str:
    for hours in NIGHTS[:3]:
        got, right = answer(list(hours)), mean_hour(hours)
        text = ", ".join(f"{hour:g}" for hour in hours)
        if right > 20 or right < 4:
            refuse_close(got, _plain(hours), f"for {text} you return the plain mean, in the middle of the day")
        refuse_close(got, _turned(hours), f"for {text} cosine and sine have changed places: atan2 takes the sine first")
        refuse_close(got, _in_radians(hours), f"for {text} the answer is an angle; an hour is 2π/24 of one")
        if right > 12:
            refuse_close(got, right - 24, f"for {text} you return an hour below 0; bring it to 0 … 24 with % 24")
        expect_close(got, right, f"for {text}: the mean of the cosines and of the sines, then the angle", rtol=1e-6)
    expect_close(answer(list(NIGHTS[3])), NIGHTS[3][0], "one hour alone is its own mean", rtol=1e-6)
    return "Moving the clock by some hours moves this mean by as many. The plain mean has no such manners."


def rate_before(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    sums, n = before(pd.factorize(users)[0], times, clicks)
    return np.asarray((sums + 1) / (n + 3))


def _with_own(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    same = (users[:, None] == users) & (times <= times[:, None])
    return np.asarray((same @ clicks + 1) / (same.sum(axis=1) + 3))


def _whole(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    same = users[:, None] == users
    return np.asarray((same @ clicks + 1) / (same.sum(axis=1) + 3))


def _everybody(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    earlier = times < times[:, None]
    return np.asarray((earlier @ clicks + 1) / (earlier.sum(axis=1) + 3))


def _in_order_of_rows(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    rows = pd.DataFrame({"u": users, "y": clicks}).groupby("u")["y"]
    return np.asarray((rows.cumsum() - clicks + 1) / (rows.cumcount() + 3))


def _one_after_another(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    order = np.argsort(times, kind="stable")
    rates = np.empty(len(users))
    rates[order] = _in_order_of_rows(users[order], times[order], clicks[order])
    return rates


def _not_smoothed(users: np.ndarray, times: np.ndarray, clicks: np.ndarray) -> np.ndarray:
    earlier = (users[:, None] == users) & (times < times[:, None])
    return np.asarray(earlier @ clicks / np.maximum(earlier.sum(axis=1), 1))


def _check_before(answer: Callable[..., Any]) -> str:
    got = np.asarray(answer(USERS.copy(), TIMES.copy(), CLICKS.copy()), dtype=float)
    for wrong, message in (
        (_with_own, "each row's own click is in its rate: earlier means <, not ≤"),
        (_whole, "your rates come from the whole log; the first row of a user cannot know any click"),
        (_everybody, "you count the rows of all users, not of the same one"),
        (_in_order_of_rows, "you take the order of the rows for the order of time"),
        (_one_after_another, "two rows have one time, and one of them sees the other's click"),
        (_not_smoothed, "add 1 click and 3 impressions, or the first row divides by nothing"),
    ):
        refuse_close(got, wrong(USERS, TIMES, CLICKS), message)
    expect_close(got, rate_before(USERS, TIMES, CLICKS), "(earlier clicks + 1) / (earlier rows + 3), of the same user")
    return "It is the page's equation with a row's own time in place of the beginning of its session."


def suspicious(rows: pd.DataFrame) -> pd.DataFrame:
    """Return seven features of impressions, some of which know the future.

    Parameters
    ----------
    rows : DataFrame
        user, item, session, timestamp (s, in order), click.

    Returns
    -------
    DataFrame with the index of `rows`
        hour, seen_before, rate_until_yesterday, rate_of_the_day, place_in_month, popularity, last_opened.
    """
    user, item, time, click = rows["user"], rows["item"], rows["timestamp"], rows["click"]
    begins = time.groupby(rows["session"]).transform("min")  # when the list of ten was made
    day = begins // DAY
    of_user, n_user = before(user, time, click, day * DAY)
    of_item, n_item = before(item, time, click, begins)
    rate = (of_item + 1) / (n_item + 3)
    return pd.DataFrame(
        {
            "hour": begins % DAY / 3600,
            "seen_before": rows.groupby("user").cumcount().astype(float),
            "rate_until_yesterday": (of_user + 1) / (n_user + 3),
            "rate_of_the_day": click.groupby([item, day]).transform("mean"),
            "place_in_month": rows.groupby("user").cumcount() / user.groupby(user).transform("size"),
            "popularity": (rate - rate.mean()) / rate.std(),
            "last_opened": click.groupby(user).shift(fill_value=False).astype(float),
        },
        index=rows.index,
    )


def _check_suspects(answer: Any) -> str:  # noqa: ANN401
    if not isinstance(answer, (set, frozenset, list, tuple, pd.Index, np.ndarray)):
        raise Wrong("give a set of names of columns")
    named = {str(name) for name in answer}
    known = {"hour", "seen_before", "rate_until_yesterday"} | LEAKING
    if unknown := named - known:
        raise Wrong(f"there is no column {sorted(unknown)[0]!r}")
    if "rate_until_yesterday" in named:
        raise Wrong("one that you name uses clicks, but only those before midnight")
    if named - LEAKING:
        raise Wrong("one that you name uses only the session's beginning or a count of earlier rows; that is known")
    if named == LEAKING - {"last_opened"}:
        raise Wrong("these are what leaks() finds; one more looks back only, but was it known when the list was made?")
    if named == LEAKING - {"popularity"}:
        raise Wrong("one is missing: its clicks are the earlier ones, but what are they scaled by?")
    if named == LEAKING - {"place_in_month"}:
        raise Wrong("one is missing: it uses no click at all, yet it changes when the log goes on")
    if missing := LEAKING - named:
        raise Wrong(f"{len(missing)} of those that know the future are not among those you name")
    return (
        "One knows the day's clicks, one how many rows are to come, one the mean of a whole month. The fourth knows "
        "the row above, which is in the same list: no cut at a row can show that."
    )


EXERCISES = (
    Exercise(
        id="fading-count",
        title="A count that fades",
        difficulty=1,
        minutes=4,
        prompt="""
            On Monday at noon a viewer's activity is 12, with a half-life of 3 days. Nothing happens until Sunday at
            noon, six days later; then two events come at once. What is the activity just after them?
        """,
        starter="activity = ...",
        hints=(
            "How many half-lives have passed since Monday?",
            "What happens at this moment has age 0, and so weight 1.",
        ),
        solution=5.0,
        solution_source="activity = 12 * 2 ** (-6 / 3) + 2",
        check=_check_fading,
        wrong=(
            (3.624, "fade with e"),
            (8, "two half-lives"),
            (3.5, "have not faded"),
            (3, "what is left"),
            (14, "for every three days"),
        ),
    ),
    Exercise(
        id="mean-hour",
        title="The mean of 23:00 and 1:00",
        difficulty=2,
        minutes=10,
        prompt="""
            Write `mean_hour(hours)`: the hour, from 0 to 24, to which a list of hours points on the average when each
            is an arrow on the face of a clock of 24 hours.
        """,
        starter="""
            def mean_hour(hours):
                ...  # your code here: one number from 0 to 24
        """,
        hints=(
            "Turn each hour into an angle, 2π hour / 24, and take the means of the cosines and of the sines.",
            "`np.arctan2(sine, cosine)` gives the angle, from -π to π.",
            "Turn it back into hours; `% 24` brings -2 to 22.",
        ),
        solution=mean_hour,
        check=_check_hour,
        wrong=(
            (_plain, "plain mean"),
            (_turned, "changed places"),
            (_in_radians, "is an angle"),
            (_negative, "below 0"),
            (_of_slope, "then the angle"),
        ),
    ),
    Exercise(
        id="rate-before",
        title="What was the click rate by then?",
        difficulty=2,
        minutes=15,
        prompt="""
            Write `rate_before(users, times, clicks)` for three arrays of one length, with a row for each impression in
            any order: for each row (clicks + 1) / (impressions + 3), counted over the rows of the same user at
            *strictly earlier* times.
        """,
        starter="""
            def rate_before(users, times, clicks):
                ...  # your code here: an array with a rate for each row
        """,
        hints=(
            "`before` of the page returns both counts. Its groups are numbered from 0: `pd.factorize(users)[0]`.",
            "By hand: compare all pairs, `(users[:, None] == users) & (times < times[:, None])`, and sum over rows.",
            "Two rows at one time know nothing of each other.",
        ),
        solution=rate_before,
        check=_check_before,
        wrong=(
            (_with_own, "own click"),
            (_whole, "from the whole log"),
            (_everybody, "of all users"),
            (_in_order_of_rows, "order of the rows"),
            (_one_after_another, "sees the other's"),
            (_not_smoothed, "divides by nothing"),
        ),
    ),
    Exercise(
        id="seven-suspects",
        title="Which of them know the future?",
        difficulty=3,
        minutes=20,
        prompt="""
            `suspicious(rows)`, shown above, makes seven features of `clips.impressions`. A model will use them to
            fill a list of ten clips, all at once, when a session begins. Which of them hold what nobody could know
            then? Read the code first, let the page's `leaks` look second, and ask what `leaks` would miss. Give the
            set of the names.
        """,
        starter="leaking = ...  # a set of names of columns",
        hints=(
            "For each column ask: would this value be another one if the log had ended when the session began?",
            "`leaks` wants the function, the table, and some times of rows at which to cut, such as "
            "`clips.impressions['timestamp'].iloc[[50_000, 100_000]]`; its index names the features it caught.",
            "`leaks` cuts between rows. What lies between two rows of one session?",
        ),
        solution=set(LEAKING),
        solution_source="""
            cuts = clips.impressions["timestamp"].iloc[[50_000, 100_000]]
            caught = set(leaks(suspicious, clips.impressions, cuts).index)
            leaking = caught | {"last_opened"}  # the row above is in the same list
        """,
        check=_check_suspects,
        wrong=(
            ({"rate_of_the_day", "place_in_month", "popularity"}, "what leaks() finds"),
            (LEAKING - {"popularity"}, "scaled by"),
            (LEAKING - {"place_in_month"}, "uses no click at all"),
            ({"rate_of_the_day"}, "that know the future are not among"),
            (LEAKING | {"rate_until_yesterday"}, "before midnight"),
            (LEAKING | {"seen_before"}, "a count of earlier rows"),
        ),
    ),
)

QUIZ = Quiz(
    id="4.1.3",
    questions=(
        Question(
            "A model trained on the clicks before day 22 is tested on those after it. What is still possible?",
            (
                Option("Nothing can leak: the split is by time.", False, "The rows are split, their features are not."),
                Option(
                    "A feature of a row after day 22 holds that row's own click.",
                    True,
                    "A rate over the whole log does, however the rows are split.",
                ),
                Option(
                    "The model learns the labels of the test rows.",
                    False,
                    "It is fitted on the others; it is the features that bring the labels with them.",
                ),
            ),
        ),
        Question(
            "Which group's click rate, taken over the whole log, leaks most?",
            (
                Option("That of the clip.", False, "It leaks a little; a click is one of dozens."),
                Option("That of the viewer.", False, "It leaks, but a click is one of more than a hundred."),
                Option(
                    "That of the pair of viewer and creator.",
                    True,
                    "Many such groups are one row: the rate is its label.",
                ),
            ),
        ),
        Question(
            "In the policy's sessions smoothing lowered the correlation of a clip's click rate with the truth. Why?",
            (
                Option(
                    "Rarely shown clips were rarely shown for a reason.",
                    True,
                    "The policy showed few of the bad ones, and smoothing pulls exactly these up to the average.",
                ),
                Option("Smoothing adds noise.", False, "It adds a constant; values become steadier, not noisier."),
                Option(
                    "Spearman needs raw counts.",
                    False,
                    "It needs ranks only, and smoothing can change these for good or bad.",
                ),
            ),
        ),
        Question(
            "Two viewers have an effective number of topics of 3.6 and 7.3. The first clicked 5 times, the second 40.",
            (
                Option("The second has wider tastes.", False, "Perhaps, but five clicks cannot show seven topics."),
                Option(
                    "One cannot tell: the number grows with the clicks counted.",
                    True,
                    "Compare them at the same number of clicks, say at the first five of each.",
                ),
                Option("The first has wider tastes for so few clicks.", False, "Nothing here says so."),
            ),
        ),
    ),
)
