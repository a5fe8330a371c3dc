"""Recommenders that read a user's items in the order of time and score what may come next."""

from avrec_lib.recommenders.sequential.caser import Caser
from avrec_lib.recommenders.sequential.gru4rec import GRU4Rec
from avrec_lib.recommenders.sequential.hstu import HSTU
from avrec_lib.recommenders.sequential.neural import NeuralSequential
from avrec_lib.recommenders.sequential.sasrec import SASRec

__all__ = ["HSTU", "Caser", "GRU4Rec", "NeuralSequential", "SASRec"]
