"""The last stage: from many good candidates, a list that is good as a whole."""

from avrec_lib.recommenders.rerank.base import Reranker
from avrec_lib.recommenders.rerank.calibrated import CalibratedReranker, calibrated_order, kl_divergence
from avrec_lib.recommenders.rerank.dpp import DPPReranker, dpp_order
from avrec_lib.recommenders.rerank.mmr import MMRReranker, mmr_order

__all__ = [
    "CalibratedReranker",
    "DPPReranker",
    "MMRReranker",
    "Reranker",
    "calibrated_order",
    "dpp_order",
    "kl_divergence",
    "mmr_order",
]
