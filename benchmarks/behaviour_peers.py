"""The features of a user once more, in pandas and in Polars: what the Ibis expression is timed and checked against.

Written the way each library's documentation would, from the definitions in `avrec_lib.behaviour.features`, not
from its code. Both return the columns of USER_FEATURES, indexed or keyed by user_id, for the default settings.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

DAY, GAP, WINDOW, HALF_LIFE, COMPLETE = 86_400, 1800.0, 7.0, 7.0, 0.9
COLUMNS = ["user_id", "item_id", "action", "timestamp", "watch_seconds"]


def pandas_features(events: pd.DataFrame, items: pd.DataFrame, now: float) -> pd.DataFrame:
    """Return the features of each user, in order of user_id."""
    t = events.loc[(events["timestamp"] <= now) & events["user_id"].notna(), COLUMNS]
    t = t.sort_values(["user_id", "timestamp"], kind="stable", ignore_index=True)
    t = t.merge(items[["item_id", "seconds", "category"]], on="item_id", how="left")
    watch = t["watch_seconds"].astype("float64")
    t["watch"] = watch.where(t["timestamp"] + watch <= now)
    t["end"] = t["timestamp"] + t["watch"].fillna(0.0)
    t["idle"] = t["timestamp"] - t.groupby("user_id")["end"].cummax().groupby(t["user_id"]).shift()
    t["begins"] = t["idle"].isna() | (t["idle"] > GAP)
    t["silence"] = t["idle"].where(t["begins"])
    t["beginning"] = t["timestamp"].where(t["begins"])
    t["ratio"] = (t["watch"] / t["seconds"]).clip(upper=1)
    t["complete"] = (t["ratio"] >= COMPLETE).astype("float64").where(t["ratio"].notna())
    t["age"] = (now - t["timestamp"]) / DAY
    t["day"] = t["timestamp"] // DAY
    angle = (t["timestamp"] % DAY) * (2 * np.pi / DAY)
    t["cos"], t["sin"] = np.cos(angle), np.sin(angle)
    t["weekend"] = (t["day"] + 3) % 7 >= 5
    t["recent"] = t["age"] < WINDOW
    t["before"] = (t["age"] >= WINDOW) & (t["age"] < 2 * WINDOW)
    t["weight"] = 2 ** (-t["age"] / HALF_LIFE)
    for action in ("impression", "click", "like", "comment", "search"):
        t[action] = t["action"] == action
    clicks = t[t["click"]]
    g = t.groupby("user_id")
    sums = g[["impression", "click", "like", "comment", "search", "begins", "recent", "before"]].sum().astype("int64")
    f = pd.DataFrame({"recency_days": g["age"].min(), "tenure_days": g["age"].max(), "n_events": g.size()})
    for name, column in (
        ("impressions", "impression"),
        ("clicks", "click"),
        ("likes", "like"),
        ("comments", "comment"),
    ):
        f[f"n_{name}"] = sums[column]
    f["n_searches"] = sums["search"]
    f["n_items"] = clicks.groupby("user_id")["item_id"].nunique().reindex(f.index, fill_value=0)
    f["n_days"], f["n_sessions"] = g["day"].nunique(), sums["begins"]
    first = g["timestamp"].min()
    f["session_seconds"] = (g["end"].max() - first - g["silence"].sum()) / f["n_sessions"]
    f["return_days"] = (g["beginning"].max() - first) / DAY / (f["n_sessions"] - 1).replace(0, np.nan)
    f["click_rate"] = f["n_clicks"] / f["n_impressions"].replace(0, np.nan)
    f["like_rate"] = f["n_likes"] / f["n_clicks"].replace(0, np.nan)
    f["watch_seconds"], f["dwell_seconds"] = g["watch"].sum(), g["watch"].mean()
    f["watch_ratio"], f["completion"] = g["ratio"].mean(), g["complete"].mean()
    f["hour_cos"], f["hour_sin"] = g["cos"].mean(), g["sin"].mean()
    f["hour_strength"] = np.hypot(f["hour_cos"], f["hour_sin"])
    hour = (np.arctan2(f["hour_sin"], f["hour_cos"]) * 12 / np.pi + 24).round(9) % 24
    f["hour_mean"] = hour.where(f["hour_strength"] > 1e-9)
    f["weekend_share"] = g["weekend"].mean()
    n = clicks.groupby(["user_id", "category"]).size()
    total = n.groupby("user_id").sum()
    f["diversity"] = np.exp(np.log(total) - (n * np.log(n)).groupby("user_id").sum() / total)
    f["n_recent"], f["n_before"] = sums["recent"], sums["before"]
    f["trend"] = np.log((f["n_recent"] + 1) / (f["n_before"] + 1))
    f["activity"] = g["weight"].sum()
    return f.sort_index()


def polars_features(events: pl.LazyFrame, items: pl.LazyFrame, now: float) -> pl.LazyFrame:
    """Return the features of each user, lazily, in any order."""
    ts, age, ratio = pl.col("timestamp"), pl.col("age"), pl.col("ratio")
    watch = pl.col("watch_seconds").cast(pl.Float64)
    t = (
        events.select(COLUMNS)
        .filter(ts <= now, pl.col("user_id").is_not_null())
        .join(items.select("item_id", "seconds", "category"), on="item_id", how="left")
        .with_columns(watch=pl.when(ts + watch <= now).then(watch))
        .with_columns(end=ts + pl.col("watch").fill_null(0.0))
        .sort("user_id", "timestamp", maintain_order=True)
        .with_columns(idle=ts - pl.col("end").cum_max().shift().over("user_id"))
        .with_columns(begins=pl.col("idle").is_null() | (pl.col("idle") > GAP))
        .with_columns(
            ratio=(pl.col("watch") / pl.col("seconds")).clip(upper_bound=1),
            age=(now - ts) / DAY,
            day=ts // DAY,
            angle=(ts % DAY) * (2 * np.pi / DAY),
        )
    )
    is_ = {action: pl.col("action") == action for action in ("impression", "click", "like", "comment", "search")}
    n = {action: this.sum().cast(pl.Int64) for action, this in is_.items()}
    begins, n_sessions = pl.col("begins"), pl.col("begins").sum().cast(pl.Int64)
    silence = pl.col("idle").filter(begins).sum()
    recent = (age < WINDOW).sum().cast(pl.Int64)
    before = ((age >= WINDOW) & (age < 2 * WINDOW)).sum().cast(pl.Int64)
    f = t.group_by("user_id").agg(
        recency_days=age.min(),
        tenure_days=age.max(),
        n_events=pl.len().cast(pl.Int64),
        n_impressions=n["impression"],
        n_clicks=n["click"],
        n_likes=n["like"],
        n_comments=n["comment"],
        n_searches=n["search"],
        n_items=pl.col("item_id").filter(is_["click"]).n_unique().cast(pl.Int64),
        n_days=pl.col("day").n_unique().cast(pl.Int64),
        n_sessions=n_sessions,
        session_seconds=(pl.col("end").max() - ts.min() - silence) / n_sessions,
        return_days=pl.when(n_sessions > 1).then((ts.filter(begins).max() - ts.min()) / DAY / (n_sessions - 1)),
        click_rate=pl.when(n["impression"] > 0).then(n["click"] / n["impression"]),
        like_rate=pl.when(n["click"] > 0).then(n["like"] / n["click"]),
        watch_seconds=pl.col("watch").sum(),
        dwell_seconds=pl.col("watch").mean(),
        watch_ratio=ratio.mean(),
        completion=(ratio >= COMPLETE).mean(),
        hour_cos=pl.col("angle").cos().mean(),
        hour_sin=pl.col("angle").sin().mean(),
        weekend_share=((pl.col("day") + 3) % 7 >= 5).mean(),
        n_recent=recent,
        n_before=before,
        trend=((recent + 1) / (before + 1)).log(),
        activity=(2 ** (-age / HALF_LIFE)).sum(),
    )
    strength = (pl.col("hour_cos") ** 2 + pl.col("hour_sin") ** 2).sqrt()
    hour = (pl.arctan2(pl.col("hour_sin"), pl.col("hour_cos")) * (12 / np.pi) + 24).round(9) % 24
    f = f.with_columns(hour_strength=strength, hour_mean=pl.when(strength > 1e-9).then(hour))
    opened = t.filter(is_["click"], pl.col("category").is_not_null()).group_by("user_id", "category").agg(n=pl.len())
    share, total = pl.col("n"), pl.col("n").sum()
    diversity = (total.log() - (share * share.log()).sum() / total).exp()
    return f.join(opened.group_by("user_id").agg(diversity=diversity), on="user_id", how="left")
