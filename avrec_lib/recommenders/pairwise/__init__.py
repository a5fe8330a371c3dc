"""Models of pairs that learn from comparisons: what was met should stand above what was not."""

from avrec_lib.recommenders.pairwise.factorization_machine import FactorizationMachine
from avrec_lib.recommenders.pairwise.fpmc import FPMC

__all__ = ["FPMC", "FactorizationMachine"]
