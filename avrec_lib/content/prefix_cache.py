"""Token lists through a causal transformer, in batches; what they begin with in common is read once.

Page 3.2.1. Every prompt of a task repeats its instruction and examples. A transformer's state at a token
depends on the tokens before it alone, so the keys and values of a common beginning serve all of them.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from torch import Tensor


class CachedReader:
    """Read batches of token lists, and keep what the last batch began with for the next one.

    Parameters
    ----------
    model : PreTrainedModel
        A causal model of transformers.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401  # transformers is imported late
        self._model = model
        names = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in names else "past_key_values"  # its older name in transformers 5
        self._kept: tuple[list[int], Any] = ([], None)  # tokens read last, and their keys and values

    def read(self, rows: list[list[int]], last: int = 1) -> tuple[Tensor, Tensor, Any]:
        """Return what comes next after each of the `last` tokens of every list.

        Parameters
        ----------
        rows : B token lists
            None empty; at least one.
        last : int

        Returns
        -------
        logits : float tensor, shape (B, last, V)
            Of a list with fewer tokens, the first are without meaning.
        mask : int tensor, shape (B, t)
            0 where a short list is padded: after the common beginning, so that all lists end together.
        cache : DynamicCache
            Keys and values of the batch, for a caller who goes on with it.
        """
        import torch
        from transformers import DynamicCache

        start = max(min(min(_common(rows[0], ids) for ids in rows), min(map(len, rows)) - last), 0)
        cache = DynamicCache()
        if start > 0:
            cache = copy.deepcopy(self._read_once(rows[0][:start]))
            cache.batch_repeat_interleave(len(rows))
        longest = max(map(len, rows))
        new = [[0] * (longest - len(ids)) + ids[start:] for ids in rows]
        real = [[1] * start + [0] * (longest - len(ids)) + [1] * (len(ids) - start) for ids in rows]
        mask = torch.tensor(real, device=self._model.device)  # (B, t)
        position = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, start:]  # (B, t - start)
        ids = torch.tensor(new, device=self._model.device)  # (B, t - start)
        return self.step(ids, cache, mask, position, last), mask, cache

    def step(
        self,
        ids: Tensor,
        cache: Any,  # noqa: ANN401
        mask: Tensor | None = None,
        position: Tensor | None = None,
        last: int = 1,
    ) -> Tensor:
        """Read more tokens, shape (B, T), onto a cache; return the logits after the last ones, shape (B, last, V)."""
        where = {self._cache_name: cache, "attention_mask": mask, "position_ids": position}
        return cast("Tensor", self._model(ids, use_cache=True, logits_to_keep=last, **where).logits)

    def _read_once(self, ids: list[int]) -> Any:  # noqa: ANN401
        """Return keys and values of all layers for these tokens; only what differs from the last call is computed."""
        import torch
        from transformers import DynamicCache

        known, cache = self._kept
        self._kept = ([], None)  # an interrupted call leaves nothing half-read
        n = _common(known, ids)
        if n == 0:
            cache = DynamicCache()
        elif n < len(known):
            cache.crop(n - len(known))  # a negative number takes that many tokens off the end
        if n < len(ids):
            new = torch.tensor([ids[n:]], device=self._model.device)  # (1, T)
            self.step(new, cache)
        self._kept = (ids, cache)
        return cache


def _common(a: list[int], b: list[int]) -> int:
    """Return how many tokens two lists have in common at their beginnings."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
