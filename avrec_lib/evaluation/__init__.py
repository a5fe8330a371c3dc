"""How good a recommender is: errors of ratings, quality of rankings, and what accuracy does not see."""

from avrec_lib.evaluation.beyond_accuracy import coverage, intra_list_diversity, novelty
from avrec_lib.evaluation.bootstrap import Difference, paired_difference
from avrec_lib.evaluation.protocol import evaluate, per_user
from avrec_lib.evaluation.ranking import (
    auc,
    average_precision_at_k,
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)
from avrec_lib.evaluation.rating import mae, rmse

__all__ = [
    "Difference",
    "auc",
    "average_precision_at_k",
    "coverage",
    "evaluate",
    "hit_rate_at_k",
    "intra_list_diversity",
    "mae",
    "ndcg_at_k",
    "novelty",
    "paired_difference",
    "per_user",
    "precision_at_k",
    "recall_at_k",
    "reciprocal_rank_at_k",
    "rmse",
]
