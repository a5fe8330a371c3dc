"""A small language model on this machine: it goes on with a text, and says how likely a given one is.

Page 3.2.1. SmolLM2-135M-Instruct (Allal et al. 2025, arXiv 2502.02737): 135 million parameters, 30
layers, trained on English.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from avrec_lib.content.errors import MediaError
from avrec_lib.content.language_weights import unpacked, without_loading_bars
from avrec_lib.content.prefix_cache import CachedReader
from avrec_lib.device import device

Role = Literal["system", "user", "assistant"]
T = TypeVar("T")


class LanguageModel:
    """Complete texts, and score given ones, by a language model: p(w_1 … w_T) = Π_t p(w_t | w_1 … w_{t−1}).

    Nothing is drawn at random: `complete` always takes the likeliest next token. What a prompt has in
    common with the one before it (instructions, examples) is computed once and kept, so prompts should
    begin with what they share. The GPU is used when there is one. Nothing is ever looked up on a
    network once the model is in the cache.

    Parameters
    ----------
    folder : Path, optional
        Another causal model in Hugging Face's format.
    batch_size : int
        Prompts at once.

    Attributes
    ----------
    context : int
        How many tokens the model can see.

    Raises
    ------
    MediaError
        If the folder holds no model.
    """

    def __init__(self, folder: Path | None = None, *, batch_size: int = 16) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        folder = unpacked() if folder is None else Path(folder)
        if not (folder / "config.json").is_file():
            raise MediaError(folder, "holds no model (no config.json); pass the folder of one, or none for SmolLM2.")
        from transformers import AutoModelForCausalLM, AutoTokenizer

        with without_loading_bars():
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
        self._device = device()
        self._model = model.to(self._device).eval()
        self.batch_size, self.context = batch_size, int(model.config.max_position_embeddings)
        self._ends = {self._tokenizer.eos_token_id, self._tokenizer.unk_token_id}  # <|im_end|>, <|endoftext|>
        self._reader = CachedReader(self._model)

    def chat(self, turns: Sequence[tuple[Role, str]]) -> str:
        """Return the prompt that asks for the assistant's next turn, in the form the model was trained on.

        Marks such as <|im_end|> within a turn are broken, so a text cannot end its own turn and speak
        as somebody else.
        """
        messages = [{"role": role, "content": content.replace("<|", "< |")} for role, content in turns]
        return cast(str, self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def complete(self, prompts: Sequence[str], max_new_tokens: int = 64, stop: Sequence[str] = ()) -> list[str]:
        """Go on with each prompt, always by the likeliest token.

        w_t = argmax_w p(w | prompt, w_1 … w_{t−1})

        until the model says it has done, a stop string appears, or max_new_tokens are written. A
        prompt's text is the same in any batch, unless two tokens are as good as tied: float32 sums
        of different batches differ in the last digit.

        Parameters
        ----------
        prompts : n texts
            None empty.
        max_new_tokens : int
            At least 1.
        stop : texts
            The completion ends before the first of them.

        Returns
        -------
        n texts, without the prompts.

        Raises
        ------
        ValueError
            If a prompt is empty or too long for the model, or max_new_tokens is less than 1.
        """
        if max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, not {max_new_tokens}.")
        ids = self._tokens(prompts, room=max_new_tokens)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))  # little of a batch is padding
        texts = [""] * len(ids)
        for rows in _chunks(order, self.batch_size):
            for row, text in zip(rows, self._complete([ids[i] for i in rows], max_new_tokens, stop), strict=True):
                texts[row] = text
        return texts

    def log_likelihood(
        self, prompts: Sequence[str], continuations: Sequence[str], *, per_token: bool = False
    ) -> NDArray[np.float64]:
        """Return how likely each continuation is after its prompt.

        ℓ = Σ_t ln p(w_t | prompt, w_1 … w_{t−1})        per_token: ℓ / T

        What several pairs have in common is read once, so many continuations of one prompt cost little more
        than one. Prompt and continuation are cut into tokens separately, so begin a continuation with the space
        that a word has before it: " cooking".

        Parameters
        ----------
        prompts, continuations : n texts each
            An empty continuation has ℓ = 0.
        per_token : bool
            Divide by the number of tokens T: a long continuation is no longer unlikely for its length.

        Returns
        -------
        float64 array, shape (n,), in nats

        Raises
        ------
        ValueError
            If the numbers of texts differ, a prompt is empty, or a pair is too long for the model.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"there are {len(prompts)} prompts, but {len(continuations)} continuations.")
        after = [self._ids(text) for text in continuations]
        before = self._tokens(prompts, room=max(map(len, after), default=0))
        scores = np.zeros(len(before))
        pairs: dict[tuple[int, ...], list[int]] = {}  # what is read, and the pairs that it serves
        for i, ids in enumerate(after):
            if ids:
                pairs.setdefault((*before[i], *ids[:-1]), []).append(i)  # the last token is only predicted
        for whole in _chunks(sorted(pairs, key=len), self.batch_size):
            self._score({row: pairs[row] for row in whole}, after, scores)
        return scores / np.maximum([len(ids) for ids in after], 1) if per_token else scores

    def _ids(self, text: str) -> list[int]:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # no lone surrogates
        return cast(list[int], self._tokenizer(whole, add_special_tokens=False).input_ids)

    def _tokens(self, prompts: Sequence[str], room: int) -> list[list[int]]:
        if isinstance(prompts, str):
            raise ValueError("prompts must be a list of texts, not one str; use [prompt].")
        ids = [self._ids(prompt) for prompt in prompts]
        for i, tokens in enumerate(ids):
            if not 0 < len(tokens) <= self.context - room:
                raise ValueError(
                    f"prompt {i} has {len(tokens)} tokens; it must have 1 to {self.context - room}: shorten it."
                )
        return ids

    def _complete(self, ids: list[list[int]], limit: int, stop: Sequence[str]) -> list[str]:
        import torch

        with torch.inference_mode():
            logits, mask, cache = self._reader.read(ids)
            best = logits[:, -1].argmax(dim=-1)  # (B,)
            written: list[list[int]] = [[] for _ in ids]
            texts = [""] * len(ids)
            running = list(range(len(ids)))
            for step in range(limit):
                if step > 0:
                    mask = torch.cat([mask, mask.new_ones(len(running), 1)], dim=1)  # (B, t + 1)
                    position = mask.sum(dim=1, keepdim=True) - 1  # (B, 1)
                    logits = self._reader.step(best[:, None], cache, mask, position)  # (B, 1, V)
                    best = logits[:, -1].argmax(dim=-1)  # (B,)
                going = []
                for at, row in enumerate(running):
                    token = int(best[at])
                    if token in self._ends:
                        continue
                    written[row].append(token)
                    texts[row], stopped = _cut(self._tokenizer.decode(written[row]), stop)
                    if not stopped:
                        going.append(at)
                if not going:
                    break
                if len(going) < len(running):  # the finished leave the batch
                    keep = torch.tensor(going, device=self._device)
                    cache.batch_select_indices(keep)
                    best, mask = best[keep], mask[keep]
                    running = [running[at] for at in going]
            return texts

    def _score(
        self, pairs: dict[tuple[int, ...], list[int]], after: list[list[int]], scores: NDArray[np.float64]
    ) -> None:
        """Read each row once, and write the log-likelihoods of all its continuations into `scores`."""
        import torch

        with torch.inference_mode():
            longest = max(len(after[i]) for rows in pairs.values() for i in rows)
            logits, _, _ = self._reader.read([list(row) for row in pairs], last=longest)
            for row, rows in zip(logits.cpu(), pairs.values(), strict=True):  # an Apple GPU has no float64
                log_p = row.double().log_softmax(dim=-1)  # (longest, V)
                for i in rows:
                    target = torch.tensor(after[i])[:, None]  # (T, 1)
                    scores[i] = float(log_p[-len(after[i]) :].gather(1, target).sum())


def _cut(text: str, stop: Sequence[str]) -> tuple[str, bool]:
    at = min((place for s in stop if (place := text.find(s)) >= 0), default=-1)
    return (text, False) if at < 0 else (text[:at], True)


def _chunks(rows: list[T], size: int) -> Iterator[list[T]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
