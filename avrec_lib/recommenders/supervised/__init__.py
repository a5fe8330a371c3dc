"""Recommendation as ordinary supervised learning: a row of features for each pair of a user and an item."""

from avrec_lib.recommenders.supervised.models import SupervisedRanker, SupervisedRater, training_pairs
from avrec_lib.recommenders.supervised.pair_features import PairFeatures

__all__ = ["PairFeatures", "SupervisedRanker", "SupervisedRater", "training_pairs"]
