"""Data in: the one table everything passes, where it comes from, and how it is split."""

from avrec_lib.data.films import read_movielens_items
from avrec_lib.data.interactions import Interactions
from avrec_lib.data.movielens import MovieLens, movielens_100k
from avrec_lib.data.readers import read_csv, read_movielens, read_parquet
from avrec_lib.data.splits import (
    Split,
    k_core,
    last_fraction,
    leave_last_out,
    official_folds,
    random_k_fold,
    time_cut,
)
from avrec_lib.data.ties import order_in_time

__all__ = [
    "Interactions",
    "MovieLens",
    "Split",
    "k_core",
    "last_fraction",
    "leave_last_out",
    "movielens_100k",
    "official_folds",
    "order_in_time",
    "random_k_fold",
    "read_csv",
    "read_movielens",
    "read_movielens_items",
    "read_parquet",
    "time_cut",
]
