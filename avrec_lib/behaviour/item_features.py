"""What a log says about a clip, as numbers: one Ibis expression, for DuckDB and for Spark.

Page 4.1.3. Clicks alone say as much about the place in which a clip was shown as about the clip. Two of the
features put that right: a rate that doubts small numbers, and clicks beside those that the places promised.
"""

from __future__ import annotations

import ibis
from ibis import _
from ibis.expr.types import Table

from avrec_lib.behaviour.features import check_positive, counts, prepared
from avrec_lib.behaviour.sessions import require

ITEM_FEATURES = {  # column: what it is
    "recency_days": "days since the last event",
    "tenure_days": "days since the first event",
    "n_events": "number of events",
    "n_impressions": "times shown",
    "n_clicks": "times opened",
    "n_likes": "likes",
    "n_comments": "comments",
    "n_viewers": "different users who opened it",
    "click_rate": "times opened / times shown; null if never shown",
    "smooth_click_rate": "the same, with `prior` showings of an average clip added",
    "click_ratio": "times opened / times that an average clip is in the same positions; null if never shown",
    "like_rate": "likes / times opened; null if never opened",
    "watch_seconds": "time watched, all together",
    "dwell_seconds": "mean time watched; null without a finished watch",
    "watch_ratio": "mean share that was watched, 1 at most; null without items",
    "completion": "share of the watches that reached 90 %; null without items",
    "n_recent": "events in the window before now",
    "n_before": "events in the window before that",
    "trend": "ln((n_recent + 1) / (n_before + 1)): above 0 if more, below 0 if fewer",
    "activity": "Σ 2^(-age / half-life): events, an old one counting less",
}


def item_features(
    events: Table,
    *,
    now: float,
    items: Table | None = None,
    prior: float = 20.0,
    window_days: float = 7.0,
    half_life_days: float = 7.0,
) -> Table:
    """Return the features of `ITEM_FEATURES`, one row for each item with an event up to `now`.

    smooth_click_rate_i = (clicks_i + a c) / (impressions_i + a), c = all clicks / all impressions, a = `prior`
    click_ratio_i = clicks_i / Σ_r impressions_ir c_r, c_r = clicks / impressions in position r, of all items

    The second is called clicks over expected clicks. Weighted by the expected clicks, its mean over the
    items is 1. It takes the effect of a position to be the same for all clips, and to be all of the difference
    between positions: where good clips are put on top, it gives the place the credit that is theirs.

    Parameters
    ----------
    events : Table
        As for `features.user_features`, and position (counted from 1). Rows without an item are left out.
    now, items, window_days, half_life_days
        As for `features.user_features`; of `items` only the length is used.
    prior : float
        Impressions, above 0.

    Returns
    -------
    Table
        item_id and the features, counts int64, all else float64; rows in no order.

    Raises
    ------
    ValueError
        If a column is missing, or a time or a length is none.

    References
    ----------
    Zhang and Jones, Comparing Click Logs and Editorial Labels for Training Query Rewriting, WWW 2007 Workshop
    on Query Log Analysis; Chapelle and Zhang, A Dynamic Bayesian Network Click Model, WWW 2009.
    """
    check_positive(prior=prior, window_days=window_days, half_life_days=half_life_days)
    require(events, "item_id", "position")
    log = prepared(events, now, items, 0.0).filter(_.item_id.notnull(), _.item_id != "")
    table = log.group_by("item_id").aggregate(
        **counts(log, window_days, half_life_days), n_viewers=log.user_id.nunique(where=log.action == "click")
    )
    everything = log.aggregate(all_shown=(_.action == "impression").sum(), all_clicked=(_.action == "click").sum())
    table = table.cross_join(everything)
    average = table.all_clicked / table.all_shown.nullif(0)
    table = table.mutate(smooth_click_rate=(table.n_clicks + prior * average) / (table.n_impressions + prior))
    return table.left_join(click_ratio(log), "item_id").select("item_id", *ITEM_FEATURES)


def click_ratio(log: Table) -> Table:
    """Return item_id and click_ratio from rows that have a position (see `item_features`)."""
    placed = log.filter(log.position.notnull()).mutate(place=log.position.cast("int64"))
    by_place = placed.group_by("item_id", "place").aggregate(
        shown=(_.action == "impression").sum(), clicked=(_.action == "click").sum()
    )
    rates = by_place.group_by("place").aggregate(rate=_.clicked.sum() / _.shown.sum().nullif(0))
    expected = by_place.join(rates, "place")
    sums = expected.group_by("item_id").aggregate(
        clicked=expected.clicked.sum(), expected=(expected.shown * expected.rate).sum()
    )
    promised = ibis.ifelse(sums.expected > 0, sums.expected, ibis.null("float64"))
    return sums.select("item_id", click_ratio=sums.clicked / promised)
