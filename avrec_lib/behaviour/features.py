"""What a viewer's events say about the viewer, as numbers: one Ibis expression, for DuckDB and for Spark.

Page 4.1.3. Every feature is computed at a moment, `now`, from what the log told by then. That is what makes
a table of features fit for training: nothing in it comes from the time that is to be predicted.
"""

from __future__ import annotations

import math

import ibis
from ibis import _
from ibis.expr.types import Column, Table

from avrec_lib.behaviour.clocks import DAY
from avrec_lib.behaviour.sessions import GAP, check_gap, idle_seconds, known, moment, require

COMPLETE = 0.9  # of a clip; the rest is credits, or the next clip taken a second early
USER_FEATURES = {  # column: what it is
    "recency_days": "days since the last event",
    "tenure_days": "days since the first event",
    "n_events": "number of events",
    "n_impressions": "clips shown",
    "n_clicks": "clips opened",
    "n_likes": "clips liked",
    "n_comments": "comments written",
    "n_searches": "searches made",
    "n_items": "different clips opened",
    "n_days": "days with an event",
    "n_sessions": "visits",
    "session_seconds": "mean length of a visit",
    "return_days": "mean time from one visit's beginning to the next one's; null with one visit",
    "click_rate": "clips opened / clips shown; null if none was shown",
    "like_rate": "likes / clips opened; null if none was opened",
    "watch_seconds": "time watched, all together",
    "dwell_seconds": "mean time watched of a clip opened; null without a finished watch",
    "watch_ratio": "mean share of the clip that was watched, 1 at most; null without items",
    "completion": "share of the watches that reached 90 % of the clip; null without items",
    "hour_cos": "mean of cos(2π hour / 24): positive about midnight, negative about noon",
    "hour_sin": "mean of sin(2π hour / 24): positive in the morning, negative in the evening",
    "hour_mean": "the hour to which the two point, 0 to 24; null if to none",
    "hour_strength": "how far they point: 1 if always at one time of day, 0 if evenly round the clock",
    "weekend_share": "share of the events on Saturday and Sunday",
    "diversity": "effective number of categories opened, e^H; null without items",
    "n_recent": "events in the window before now",
    "n_before": "events in the window before that",
    "trend": "ln((n_recent + 1) / (n_before + 1)): above 0 if more, below 0 if fewer",
    "activity": "Σ 2^(-age / half-life): events, an old one counting less",
}


def user_features(
    events: Table,
    *,
    now: float,
    items: Table | None = None,
    gap: float = GAP,
    window_days: float = 7.0,
    half_life_days: float = 7.0,
    utc_offset_hours: float = 0.0,
) -> Table:
    """Return the features of `USER_FEATURES`, one row for each user with an event up to `now`.

    Parameters
    ----------
    events : Table
        A cleaned log with user_id, item_id, action, timestamp (s, UTC), watch_seconds. Rows are counted as
        they are, so copies must be gone. Rows without a user are left out.
    now : float
        Seconds since 1970-01-01 UTC. Later events, and watches that are not over, change nothing (see
        `sessions.known`).
    items : Table, optional
        item_id, seconds (the clip's length), category (topic, creator …): what is known of a clip without
        any event. Of rows with one item_id the largest values count.
    gap : float
        Seconds of silence after which a visit is over.
    window_days, half_life_days : float
        Length of the two windows that `trend` compares; age at which an event counts one half.
    utc_offset_hours : float
        From UTC to the clock on the viewers' walls, for hours, days and weekends.

    Returns
    -------
    Table
        user_id and the features, counts int64, all else float64; rows in no order.

    Raises
    ------
    ValueError
        If a column is missing, or a time or a length is none.

    References
    ----------
    Recency and frequency: Hughes, Strategic Database Marketing, 1994. Means of directions: Mardia and Jupp,
    Directional Statistics, 2000, chapter 2. Effective numbers: Hill, Diversity and Evenness: A Unifying Notation
    and Its Consequences, Ecology 54(2), 1973.
    """
    check_gap(gap)
    check_positive(window_days=window_days, half_life_days=half_life_days)
    require(events, "user_id")
    log = prepared(events, now, items, utc_offset_hours).filter(_.user_id.notnull(), _.user_id != "")
    log = log.mutate(idle=idle_seconds(log), end=log.timestamp + log.watch_seconds.fill_null(0.0))
    log = log.mutate(begins=log.idle.isnull() | (log.idle > gap))
    clicked = log.action == "click"
    users = log.group_by("user_id").aggregate(
        **counts(log, window_days, half_life_days),
        n_searches=(log.action == "search").sum(),
        n_items=log.item_id.nunique(where=clicked),
        n_days=log.day.nunique(),
        n_sessions=log.begins.sum(),
        # A user's visits are all the time from the first event to the last end, less the silences between.
        visiting=log.end.max() - log.timestamp.min() - log.idle.sum(where=log.begins).fill_null(0.0),
        from_first_to_last=log.timestamp.max(where=log.begins) - log.timestamp.min(),
        hour_cos=log.angle.cos().mean(),
        hour_sin=log.angle.sin().mean(),
        weekend_share=(log.weekday >= 5).cast("float64").mean(),
    )
    strength = (users.hour_cos**2 + users.hour_sin**2).sqrt()
    hour = ((users.hour_sin.atan2(users.hour_cos) * (12 / math.pi) + 24).round(9)) % 24  # rounded: 24 is 0
    users = users.mutate(
        session_seconds=users.visiting / users.n_sessions,
        return_days=users.from_first_to_last / DAY / (users.n_sessions - 1).nullif(0),
        hour_mean=ibis.ifelse(strength > 1e-9, hour, ibis.null("float64")),
        hour_strength=strength,
    )
    of_categories = effective_number(log.filter(clicked), "user_id")
    table = users.left_join(of_categories, "user_id")
    return table.select("user_id", *USER_FEATURES)


def rhythm(events: Table, *, now: float, by: str = "user_id", utc_offset_hours: float = 0.0) -> Table:
    """Return how many events fell into each hour of the week: columns `by`, weekday, hour, n.

    Weekdays are counted from 0, Monday, hours from 0; hours without events have no row. Parameters are those
    of `user_features`; `by` is the column that is grouped by, such as "user_id", "item_id" or "action".
    """
    require(events, by)
    log = prepared(events, now, None, utc_offset_hours)
    return log.filter(log[by].notnull()).group_by(by, "weekday", "hour").aggregate(n=_.count())


def prepared(events: Table, now: float, items: Table | None, utc_offset_hours: float) -> Table:
    """Return what is known at `now`, with the columns that features are computed from.

    Added are age (days before now), day, weekday (0 is Monday), hour (all int64), angle (2π at midnight), ratio
    (share watched, 1 at most) and category; the last two are null without `items`.
    """
    columns = ("user_id", "item_id", "action", "timestamp", "watch_seconds", "position")
    require(events, *columns[:-1])
    if not (math.isfinite(utc_offset_hours) and abs(utc_offset_hours) <= 14):
        raise ValueError(f"utc_offset_hours must lie between -14 and 14, not {utc_offset_hours}.")
    now = moment(now)
    log = known(events.select(*(name for name in columns if name in events.columns)), now)
    clock = log.timestamp + round(utc_offset_hours * 3600)  # seconds as integers: no time zone can interfere
    log = log.mutate(
        age=(now - log.timestamp.cast("float64")) / DAY,  # Spark takes 1.5 for a decimal, and rounds its quotients
        day=clock // DAY,
        weekday=(clock // DAY + 3) % 7,  # 1970-01-01 was a Thursday
        hour=clock % DAY // 3600,
        angle=(clock % DAY) * (2 * math.pi / DAY),
    )
    if items is None:
        return log.mutate(ratio=ibis.null("float64"), category=ibis.null("string"))
    require(items, "item_id", "seconds", "category")
    one_each = items.group_by("item_id").aggregate(
        length=_.seconds.max().cast("float64"), category=_.category.cast("string").max()
    )
    log = log.left_join(one_each, "item_id").drop("item_id_right")
    ratio = log.watch_seconds / ibis.ifelse(log.length > 0, log.length, ibis.null("float64"))
    return log.mutate(ratio=ibis.ifelse(ratio > 1, 1.0, ratio)).drop("length")


def counts(log: Table, window_days: float, half_life_days: float) -> dict[str, Column]:
    """Return the aggregates that users and items share, for a table that `prepared` made."""
    n = {name: (log.action == name).sum() for name in ("impression", "click", "like", "comment")}
    n_recent = (log.age < window_days).sum()
    n_before = ((log.age >= window_days) & (log.age < 2 * window_days)).sum()
    return {
        "recency_days": log.age.min(),
        "tenure_days": log.age.max(),
        "n_events": log.count(),
        "n_impressions": n["impression"],
        "n_clicks": n["click"],
        "n_likes": n["like"],
        "n_comments": n["comment"],
        "click_rate": n["click"] / n["impression"].nullif(0),
        "like_rate": n["like"] / n["click"].nullif(0),
        "watch_seconds": log.watch_seconds.sum().fill_null(0.0),
        "dwell_seconds": log.watch_seconds.mean(),
        "watch_ratio": log.ratio.mean(),
        "completion": (log.ratio >= COMPLETE).cast("float64").mean(),
        "n_recent": n_recent,
        "n_before": n_before,
        "trend": ((n_recent + 1) / (n_before + 1)).ln(),
        "activity": (log.age * (-math.log(2) / half_life_days)).exp().sum(),
    }


def effective_number(log: Table, by: str) -> Table:
    """Return `by` and diversity, e^H with the entropy H of the categories: n equal shares give n.

    H = ln N - (1/N) Σ_c n_c ln n_c, with n_c rows of category c and N = Σ_c n_c
    """
    per_category = log.filter(log.category.notnull()).group_by(by, "category").aggregate(n=_.count())
    terms = per_category.group_by(by).aggregate(total=_.n.sum(), weighted=(_.n * _.n.ln()).sum())
    return terms.select(by, diversity=(terms.total.ln() - terms.weighted / terms.total).exp())


def check_positive(**lengths: float) -> None:
    """Refuse what is not above 0 with a ValueError that names it."""
    for name, value in lengths.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a number above 0, not {value}.")
