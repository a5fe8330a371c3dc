"""Where numbers of a clip have their centre and how far they spread, learnt from the clips that are known.

Page 7.2. A model's first layer wants inputs of about one size; a clip of tomorrow must be measured by today's scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 5.0  # spreads from the centre: what lies further out is cut, for a new clip may be odd


@dataclass(frozen=True, eq=False)
class Scale:
    """A centre and a spread for each of d numbers, learnt from the known clips, and whether to cut at ±`LIMIT`."""

    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    is_cut: bool

    @classmethod
    def learn(cls, values: NDArray[np.float32], is_frozen: bool) -> Scale:
        """Learn from the values (m, …, d) of known clips; without any the scale changes nothing.

        Measured numbers are standardised column by column. The vectors of a frozen network are centred and divided by
        one number, the root of their mean square: columns that are nearly 0 would only be blown up.
        """
        d = values.shape[-1]
        rows = values.reshape(-1, d).astype(np.float64)  # (m · …, d)
        if not len(rows):
            return cls(np.zeros(d, np.float32), np.ones(d, np.float32), not is_frozen)
        centre, spread = rows.mean(axis=0), rows.std(axis=0)  # (d,)
        if is_frozen:
            spread = np.full(d, np.sqrt(np.mean(spread**2)))
        spread[spread < 1e-6 * np.maximum(1, np.abs(centre))] = 1  # a column that never changes stays near 0
        return cls(centre.astype(np.float32), spread.astype(np.float32), not is_frozen)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values (n, …, d) on this scale, float32."""
        scaled = (values - self.centre) / self.spread
        return np.clip(scaled, -LIMIT, LIMIT) if self.is_cut else scaled

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; a float32 comes back from it as the same number."""
        return {"centre": self.centre.tolist(), "spread": self.spread.tolist(), "is_cut": self.is_cut}

    @classmethod
    def of(cls, told: dict[str, Any]) -> Scale:
        """Return what `to_dict` told."""
        centre, spread = (np.array(told[name], dtype=np.float32) for name in ("centre", "spread"))
        if centre.ndim != 1 or centre.shape != spread.shape or not (spread > 0).all() or not np.isfinite(centre).all():
            raise ValueError("a scale needs as many positive spreads as centres")
        return cls(centre, spread, bool(told["is_cut"]))
