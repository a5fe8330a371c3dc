"""Fitting to impressions: the loss by clips is the loss by rows, and training learns what there is to learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from avrec_lib.multimodal.arrays import ClipArrays
from avrec_lib.multimodal.article import ArticleModel
from avrec_lib.multimodal.config import ArticleConfig
from avrec_lib.multimodal.fitting import click_log_odds, clip_features, fit_clicks
from avrec_lib.multimodal.personal import PersonalModel
from avrec_lib.nn.training import Training

SMALL = ArticleConfig(
    vocabulary=4, tokens=2, embedding=3, lstm=3, picture=4, channels=(2,), frames=3, coefficients=2, dense=8
)
Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def clips() -> ClipArrays:
    """Return six clips: three with word 2, three with word 3, all else noise."""
    rng = np.random.default_rng(0)
    return ClipArrays(
        np.array([[2, 0], [2, 0], [2, 1], [3, 0], [3, 0], [3, 1]]),
        rng.integers(0, 256, (6, 4, 4, 3)).astype(np.uint8),
        rng.standard_normal((6, 3, 2)).astype(np.float32),
        {"a": 2, "b": 3},
    )


def opposed() -> Rows:
    """Return rows of two users, of whom one clicks on word 2 and the other on word 3; user 2 has none."""
    users, items = np.repeat([0, 1], 30), np.tile(np.arange(6), 10)
    return users, items, (users == (items >= 3)).astype(np.int64)


def test_one_step_over_all_clips_has_the_mean_loss_of_the_rows() -> None:
    rng = np.random.default_rng(2)
    items, clicks = np.array([0, 0, 0, 0, 5, 3, 3]), np.array([1, 0, 1, 1, 0, 0, 1])
    users, order = np.zeros(7, int), rng.permutation(7)
    model = ArticleModel(SMALL)
    logits = torch.from_numpy(click_log_odds(model, clips(), 1)[0, items])
    want = torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.from_numpy(clicks).float()).item()
    once = Training(epochs=1, batch=10)
    history = fit_clicks(model, clips(), users[order], items[order], clicks[order], once)
    assert history[0].loss == pytest.approx(want, rel=1e-5)


def test_the_mean_loss_of_an_epoch_does_not_depend_on_the_batch() -> None:
    still = {"epochs": 1, "lr": 1e-12}  # steps too small to change anything
    losses = [
        fit_clicks(ArticleModel(SMALL), clips(), *opposed(), Training(batch=batch, **still))[0].loss  # type: ignore[arg-type]
        for batch in (1, 4, 6)
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


def test_the_personal_model_learns_opposed_tastes_and_the_articles_cannot() -> None:
    how = Training(epochs=60, batch=3, lr=0.02)
    users, items, clicks = opposed()
    article = fit_clicks(ArticleModel(SMALL), clips(), users, items, clicks, how)[-1].loss
    personal = fit_clicks(PersonalModel(3, 2, SMALL), clips(), users, items, clicks, how)[-1].loss
    assert article > 0.68  # log 2 = 0.693: nobody's order pleases both
    assert personal < 0.2


def test_a_user_without_rows_gets_the_ranking_of_nobody_in_particular() -> None:
    model = PersonalModel(3, 2, SMALL)
    fit_clicks(model, clips(), *opposed(), Training(epochs=3, batch=2, lr=0.01, weight_decay=0.1))
    scores = click_log_odds(model, clips(), 3)
    shared = model.clip.output(clip_features(model, clips()))[:, 0].detach().numpy()
    np.testing.assert_allclose(scores[2], shared, rtol=1e-5)
    assert not np.allclose(scores[0], shared)


def test_the_articles_model_scores_clips_alike_for_all() -> None:
    scores = click_log_odds(ArticleModel(SMALL), clips(), 4)
    assert scores.shape == (4, 6)
    assert (scores == scores[0]).all()


def test_features_do_not_depend_on_the_batch() -> None:
    model = ArticleModel(SMALL)
    torch.testing.assert_close(clip_features(model, clips(), 2), clip_features(model, clips(), 6))


def test_shuffled_rows_and_a_resumed_run_end_with_the_same_weights(tmp_path: Path) -> None:
    users, items, clicks = opposed()
    order = np.argsort(items, kind="stable")
    how, place = Training(epochs=4, batch=2, lr=0.01), tmp_path / "run.safetensors"
    whole, sorted_rows, again = (PersonalModel(3, 2, SMALL) for _ in range(3))
    fit_clicks(whole, clips(), users, items, clicks, how, checkpoint=place)
    fit_clicks(sorted_rows, clips(), users[order], items[order], clicks[order], how)
    history = fit_clicks(again, clips(), users, items, clicks, how, checkpoint=place)  # reads the end of the first
    assert len(history) == 4
    for a, b, c in zip(whole.parameters(), sorted_rows.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (([0, 1], [0], [1]), "must have one length above 0, not 2, 1, 1"),
        (([], [], []), "one length above 0"),
        (([0], [0], [2]), "clicks must be 0 or 1"),
        (([3], [0], [1]), r"users must be numbered 0\.\.2"),
        (([0], [6], [1]), r"clips must be numbered 0\.\.5"),
        (([0], [-1], [1]), r"clips must be numbered 0\.\.5"),
    ],
)
def test_rows_that_cannot_be_are_refused(rows: tuple[list[int], list[int], list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_clicks(PersonalModel(3, 2, SMALL), clips(), *rows)
