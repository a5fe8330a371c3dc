"""Recommenders: fit a table, score every item."""

from avrec_lib.recommenders.base import NotFittedError, RatingModel, Recommender, recommend, similar_items, top_k
from avrec_lib.recommenders.content import ContentRecommender
from avrec_lib.recommenders.ease import EASE
from avrec_lib.recommenders.fading import FadingChain
from avrec_lib.recommenders.hybrid import FeatureAugmentedEASE, StackedHybrid, SwitchingHybrid, WeightedHybrid
from avrec_lib.recommenders.markov import MarkovChain
from avrec_lib.recommenders.matrix_factorization import (
    AlternatingLeastSquares,
    BayesianMatrixFactorization,
    ImplicitALS,
    MatrixFactorization,
    PureSVD,
)
from avrec_lib.recommenders.neighbours import ItemKNN, UserKNN
from avrec_lib.recommenders.popularity import Popularity
from avrec_lib.recommenders.rerank import CalibratedReranker, DPPReranker, MMRReranker
from avrec_lib.recommenders.similarity import cosine_similarity

__all__ = [
    "EASE",
    "AlternatingLeastSquares",
    "BayesianMatrixFactorization",
    "CalibratedReranker",
    "ContentRecommender",
    "DPPReranker",
    "FadingChain",
    "FeatureAugmentedEASE",
    "ImplicitALS",
    "ItemKNN",
    "MMRReranker",
    "MarkovChain",
    "MatrixFactorization",
    "NotFittedError",
    "Popularity",
    "PureSVD",
    "RatingModel",
    "Recommender",
    "StackedHybrid",
    "SwitchingHybrid",
    "UserKNN",
    "WeightedHybrid",
    "cosine_similarity",
    "recommend",
    "similar_items",
    "top_k",
]
