"""Several recommenders as one: weighted, stacked (the weights are learnt), switching, and feature-augmented."""

from avrec_lib.recommenders.hybrid.augmented import FeatureAugmentedEASE
from avrec_lib.recommenders.hybrid.stacked import StackedHybrid
from avrec_lib.recommenders.hybrid.switching import SwitchingHybrid
from avrec_lib.recommenders.hybrid.weighted import WeightedHybrid, standardise

__all__ = ["FeatureAugmentedEASE", "StackedHybrid", "SwitchingHybrid", "WeightedHybrid", "standardise"]
