"""From the features of each sense to one vector a clip: blocks learnt from the clips at hand, each of equal weight.

Page 3.3. Whatever is learnt from the catalogue (words worth counting, groups of texts, directions of
spread) is learnt from the clips that are `seen` only. A clip of tomorrow has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.content.text import tokens

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float32]


def text_groups(
    token_lists: Sequence[Sequence[str]],
    seen: ArrayLike,
    n_groups: int = 10,
    n_dims: int = 32,
    max_share: float = 0.02,
    sharpness: float = 10.0,
    seed: int = 0,
) -> Floats:
    """Return how much each text belongs to each of some groups of texts that nobody has named.

    TF-IDF of the words, reduced to `n_dims` numbers by a singular value decomposition (latent semantic
    analysis: Deerwester et al. 1990) and to length 1; k-means among the seen texts; then

        b_ig = exp(−sharpness · |z_i − c_g|²) / Σ_h exp(−sharpness · |z_i − c_h|²)

    with z_i the text and c_g the centre of a group. Words in fewer than three of the seen texts are left
    out, since they tell little of other texts, and words in more than a share of them, `max_share`: they
    tell how a title is made and not what it is about.

    Parameters
    ----------
    token_lists : n lists of words
        As `avrec_lib.content.text.tokens` gives them; several languages may stand in one list.
    seen : bool array, shape (n,)
        The texts to learn from; at least `n_groups`.
    n_groups, n_dims, max_share, sharpness, seed : int, int, float, float, int
        Of k-means, of the decomposition, of the words, of the softmax, and of both at random.

    Returns
    -------
    float32 array, shape (n, n_groups), rows sum to 1
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    old = _seen(seen, len(token_lists), n_groups)
    vectorizer = TfidfVectorizer(analyzer=_as_it_is, min_df=3, max_df=max_share, sublinear_tf=True)
    try:
        vectorizer.fit([token_lists[i] for i in old])
    except ValueError as error:
        raise ValueError("no word stands in three of the seen texts; there are too few texts to group.") from error
    X = vectorizer.transform(token_lists)  # (n, n_words)
    n_dims = min(n_dims, X.shape[1])
    Z = normalize(TruncatedSVD(n_dims, random_state=seed).fit(X[old]).transform(X))  # (n, n_dims)
    centres = KMeans(n_groups, n_init=10, random_state=seed).fit(Z[old]).cluster_centers_  # (n_groups, n_dims)
    near = -sharpness * ((Z[:, None] - centres) ** 2).sum(axis=2)  # (n, n_groups)
    weights = np.exp(near - near.max(axis=1, keepdims=True))
    belongs: Floats = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return belongs


def clip_words(items: pd.DataFrame) -> list[list[str]]:
    """Return all the words of each clip in one list: title, description and tags, English and Chinese.

    `items` has the columns of `avrec_lib.data.clips.Clips.items`; the words are those of `tokens`.
    """

    def of(language: Literal["en", "zh"]) -> list[list[str]]:
        title, description, tags = (items[f"{column}_{language}"] for column in ("title", "description", "tags"))
        texts = (" ".join([a, b, *c]) for a, b, c in zip(title, description, tags, strict=True))
        return [tokens(text, language) for text in texts]

    return [en + zh for en, zh in zip(of("en"), of("zh"), strict=True)]


def principal_components(X: ArrayLike, seen: ArrayLike, n_components: int) -> Floats:
    """Return the first principal components of features whose columns were standardised, shape (n, n_components).

    Mean, spread and directions are those of the seen rows. A column that is constant there becomes 0.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    raw = np.asarray(X, dtype=np.float64)
    old = _seen(seen, len(raw), n_components)
    Z = StandardScaler().fit(raw[old]).transform(raw)  # (n, d)
    components: Floats = PCA(n_components, random_state=0).fit(Z[old]).transform(Z).astype(np.float32)
    return components


def join(blocks: Mapping[str, ArrayLike], seen: ArrayLike) -> Floats:
    """Put blocks side by side, so that each has the same say in lengths and inner products.

        x_i = (…, (x_ib − m_b) / s_b, …),    s_b² = mean over the seen of |x_ib − m_b|²

    A block of a hundred columns would else outweigh one of ten. A row with a NaN in a block is a clip
    without that sense: it gets the mean, 0.

    Parameters
    ----------
    blocks : name to array, shape (n, d_b)
    seen : bool array, shape (n,)
        The rows that m_b and s_b are taken from.

    Returns
    -------
    float32 array, shape (n, Σ d_b)

    Raises
    ------
    ValueError
        If there is no block, their lengths differ, or no seen row of a block is whole.
    """
    if not blocks:
        raise ValueError("there is no block to join; give at least one.")
    parts = []
    n = len(np.asarray(next(iter(blocks.values()))))
    old = np.zeros(n, dtype=bool)
    old[_seen(seen, n, 1)] = True
    for name, block in blocks.items():
        X = np.asarray(block, dtype=np.float64)
        if X.ndim != 2 or len(X) != n:
            raise ValueError(f"the block {name!r} has shape {X.shape}; it needs two dimensions and {n} rows.")
        has = np.asarray(np.isfinite(X).all(axis=1))  # (n,)
        whole = old & has
        if not whole.any():
            raise ValueError(f"no seen clip has the block {name!r}; leave it out.")
        centred: NDArray[np.float64] = np.where(has[:, None], X - X[whole].mean(axis=0), 0)
        size = np.sqrt((centred[whole] ** 2).sum(axis=1).mean())
        parts.append(centred / (size or 1))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _seen(seen: ArrayLike, n: int, least: int) -> NDArray[np.int64]:
    """Return the numbers of the seen rows."""
    mask = np.asarray(seen)
    if mask.dtype != bool or mask.shape != (n,):
        raise ValueError(f"seen must be {n} booleans, one a row, not {mask.dtype} of shape {mask.shape}.")
    rows = np.flatnonzero(mask)
    if len(rows) < least:
        raise ValueError(f"only {len(rows)} rows are seen; at least {least} are needed.")
    return rows


def _as_it_is(words: Sequence[str]) -> Sequence[str]:
    return words
