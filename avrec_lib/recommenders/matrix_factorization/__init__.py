"""Matrix factorisation: a user and an item as two short vectors whose product is a preference."""

from avrec_lib.recommenders.matrix_factorization.als import AlternatingLeastSquares
from avrec_lib.recommenders.matrix_factorization.bayesian import BayesianMatrixFactorization
from avrec_lib.recommenders.matrix_factorization.implicit_als import ImplicitALS
from avrec_lib.recommenders.matrix_factorization.sgd import MatrixFactorization
from avrec_lib.recommenders.matrix_factorization.svd import PureSVD

__all__ = ["AlternatingLeastSquares", "BayesianMatrixFactorization", "ImplicitALS", "MatrixFactorization", "PureSVD"]
