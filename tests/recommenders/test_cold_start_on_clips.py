"""What each sense is worth on clips nobody has seen: each adds, a shuffled one does not, together they come near."""

import numpy as np
import pytest

from avrec_lib.content.blocks import clip_words, join, principal_components, text_groups
from avrec_lib.content.summaries import picture_summary, sound_summary
from avrec_lib.data.clips import RATE, expected_auc, load_clips
from avrec_lib.recommenders.cold_start import ColdStartModel


@pytest.fixture(scope="module")
def experiment():
    """Return the blocks of all clips, and a function from blocks to the share of the way to the Bayes limit."""
    clips = load_clips()
    cold = clips.cold()
    table, item = clips.impressions, clips.impressions["item"].to_numpy()
    in_test = cold[item] & table["random"].to_numpy()
    train, test, p = table[~cold[item]], table[in_test], clips.click_probability()[in_test]
    limit = expected_auc(clips.preference(test["user"], test["item"]), p)
    pictures = np.stack([picture_summary(cover) for cover in clips.covers()])
    sounds = np.stack([sound_summary(sound, RATE) for sound in clips.sounds()])
    blocks = {
        "text": text_groups(clip_words(clips.items), ~cold),
        "picture": principal_components(pictures, ~cold, 4),
        "sound": principal_components(sounds, ~cold, 12),
    }

    def share(blocks):
        X = join(blocks, ~cold)
        model = ColdStartModel().fit(X, train["user"], train["item"], train["click"], train["position"])
        return (expected_auc(model.score(test["user"], test["item"]), p) - 0.5) / (limit - 0.5)

    return blocks, share


def test_all_three_senses_go_nine_tenths_of_the_way_and_each_adds(experiment):
    blocks, share = experiment
    together = share(blocks)
    assert together >= 0.9
    for name in blocks:
        without = share({other: block for other, block in blocks.items() if other != name})
        assert together > without + 0.1, name


def test_a_shuffled_sense_adds_nothing(experiment):
    blocks, share = experiment
    shuffled = blocks["sound"][np.random.default_rng(0).permutation(len(blocks["sound"]))]
    two = {name: blocks[name] for name in ("text", "picture")}
    assert share(two | {"sound": shuffled}) < share(two) + 0.01
