"""Exercises of 3.1.3, sound: aliasing, counting frames, the centre of gravity of a spectrum, and choosing a window."""

from collections.abc import Callable
from typing import Any

import librosa
import numpy as np

from avrec_lib.content.spectra import stft
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close

RATE = 16_000
SOUND = np.sin(2 * np.pi * 700 * np.arange(3200) / RATE) + 0.5 * np.sin(2 * np.pi * 3000 * np.arange(3200) / RATE)
SOUND = np.concatenate([SOUND, np.zeros(3200)]).astype(np.float32)  # a tone with an overtone, then silence


def _check_alias(answer: float) -> str:
    refuse_close(answer, 7000, "a rate of 12,000 cannot carry 7,000 Hz: its samples are those of a lower tone")
    refuse_close(answer, 6000, "that is half the rate, the highest frequency that can be told")
    refuse_close(answer, 1000, "that is how far the tone lies above half the rate; it comes back that far below it")
    expect_close(answer, 5000, "mirror the tone at half the rate", rtol=1e-3)
    return "The alias of a tone between s/2 and s is s minus the tone: the spectrum is folded at s/2."


def _check_frames(answer: float) -> str:
    refuse_close(answer, 130 * 1.0 + 1, "count again: the last frame must still be centred inside the sound")
    refuse_close(answer, 126, "that counts windows that lie wholly inside; here the sound is padded on both sides")
    refuse_close(answer, 129, "the frame centred at sample 0 counts as well")
    expect_close(answer, 130, "a frame is centred at every multiple of the hop, from sample 0 on")
    return "The length of the window does not matter: with padding, only the hop decides how many frames there are."


def centroid(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
    magnitude = np.abs(stft(x, n_fft, hop))
    f = np.arange(len(magnitude)) * rate / n_fft
    total = magnitude.sum(axis=0)
    return np.asarray(f @ magnitude / np.where(total > 0, total, 1))


def _of_power(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
    power = np.abs(stft(x, n_fft, hop)) ** 2
    total = power.sum(axis=0)
    return np.asarray(np.arange(len(power)) * rate / n_fft @ power / np.where(total > 0, total, 1))


def _in_bins(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
    return centroid(x, n_fft, n_fft, hop)


def _no_silence_rule(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
    magnitude = np.abs(stft(x, n_fft, hop))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.arange(len(magnitude)) * rate / n_fft @ magnitude / magnitude.sum(axis=0))


def _whole_sound(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
    magnitude = np.abs(stft(x, n_fft, hop))
    return np.asarray((np.arange(len(magnitude)) * rate / n_fft @ magnitude).sum() / magnitude.sum())


def _check_centroid(answer: Callable[..., Any]) -> str:
    got = answer(SOUND, RATE)
    refuse_close(got, _of_power(SOUND, RATE), "that weighs with the power |X|²; the page's sum has |X|", rtol=1e-3)
    refuse_close(got, _in_bins(SOUND, RATE), "that is in bins; bin k stands for k · rate / n_fft Hz", rtol=1e-3)
    expect_close(
        got, centroid(SOUND, RATE), "weigh each bin's frequency with |X| and divide by the sum of |X|", rtol=1e-3
    )
    theirs = librosa.feature.spectral_centroid(y=SOUND[:3200], sr=RATE, n_fft=512, hop_length=160)[0]
    expect_close(answer(SOUND[:3200], RATE), theirs, "librosa finds something else for the first half", rtol=1e-2)
    return "It agrees with librosa.feature.spectral_centroid. It is the one number nearest to what we call bright."


def _check_window(answer: float) -> str:
    value = int(answer)
    if value != answer or value < 2 or value & (value - 1):
        raise Wrong("a power of two is asked for, such as 256 or 1024.")
    if value < 1024:
        raise Wrong(f"with {value} samples the bins are {RATE / value:.1f} Hz apart: 440 and 494 Hz share one hump.")
    if value > 1024:
        raise Wrong(f"{value} separates them, but so does a shorter window; a longer one blurs time for nothing.")
    expect_close(value, 1024)
    return "A Hann window's hump is four bins wide; here the tones lie 54 Hz, or three and a half bins, apart."


EXERCISES = (
    Exercise(
        id="alias-frequency",
        title="A tone in disguise",
        difficulty=1,
        minutes=4,
        prompt="""
            A tone of 7,000 Hz is stored at 12,000 samples a second, and nobody has removed it first.
            Which frequency does a listener hear, in Hz?
        """,
        starter="heard_hz = ...",
        hints=(
            "On the page, 5,000 Hz at 8,000 samples a second turned into 3,000 Hz. How far is each from 4,000?",
            "What lies above half the rate is mirrored at half the rate.",
        ),
        solution=5000,
        solution_source="heard_hz = 12_000 - 7_000",
        check=_check_alias,
        wrong=((7000, "cannot carry"), (6000, "can be told"), (1000, "comes back that far"), (5500, "mirror")),
    ),
    Exercise(
        id="frames-and-bins",
        title="How many frames?",
        difficulty=1,
        minutes=4,
        prompt="""
            A sound of 3 seconds at 22,050 samples a second goes through `stft(x, n_fft=2048, hop=512)`.
            How many frames come out?
        """,
        starter="n_frames = ...",
        hints=(
            "Frame m is centred at sample m · hop, and what lies outside the sound counts as zeros.",
            "Count the multiples of 512 from 0 up to 66,150.",
        ),
        solution=130,
        solution_source="n_frames = 1 + 3 * 22_050 // 512",
        check=_check_frames,
        wrong=((131, "count again"), (126, "wholly inside"), (129, "counts as well"), (64, "every multiple")),
    ),
    Exercise(
        id="spectral-centroid",
        title="How bright is a sound?",
        difficulty=2,
        minutes=12,
        prompt=r"""
            The *spectral centroid* of a frame is its centre of gravity, $\sum_k f_k |X_{k,m}| / \sum_k |X_{k,m}|$,
            with $f_k$ the frequency of bin $k$ in Hz. Write `centroid(x, rate, n_fft, hop)`, which returns one number
            for each frame, and 0 for a frame of silence.
        """,
        starter="""
            def centroid(x: np.ndarray, rate: int, n_fft: int = 512, hop: int = 160) -> np.ndarray:
                ...  # your code here: one frequency in Hz for each frame
        """,
        hints=(
            "`np.abs(stft(x, n_fft, hop))` has a row for each bin and a column for each frame.",
            "The frequencies are `np.arange(n_bins) * rate / n_fft`; `f @ magnitude` sums over the bins.",
            "`np.where(total > 0, total, 1)` turns 0/0 into 0/1.",
        ),
        solution=centroid,
        check=_check_centroid,
        wrong=(
            (_of_power, "weighs with the power"),
            (_in_bins, "that is in bins"),
            (_no_silence_rule, "NaN"),
            (_whole_sound, "shape"),
        ),
    ),
    Exercise(
        id="window-for-two-notes",
        title="The shortest window that tells two notes apart",
        difficulty=3,
        minutes=15,
        prompt="""
            Two steady tones of 440 and 494 Hz (an A and the B above it) sound together, equally strong, at
            16,000 samples a second. What is the smallest power of two for `n_fft` at which
            the power, averaged over the frames in the middle of the sound, shows two peaks with a valley at least 3 dB
            below the lower peak?
        """,
        starter="""
            # the tones: np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 494 * t)
            n_fft = ...  # the smallest power of two that shows two peaks
        """,
        hints=(
            "Make one second of the two tones, take `np.abs(stft(x, n_fft, n_fft // 4))`, look at the middle frames.",
            "Two tones that beat: take the mean power over many frames, so that no moment of silence misleads you.",
            "Plot the level in dB between 380 and 560 Hz for 256, 512, 1024, 2048.",
        ),
        solution=1024,
        solution_source="""
            def valley(n_fft):
                power = (np.abs(stft(x, n_fft, n_fft // 16)) ** 2)[:, 20:-20].mean(axis=1)
                level = 10 * np.log10(power)
                low, high = round(440 * n_fft / RATE), round(494 * n_fft / RATE)
                return min(level[low], level[high]) - level[low : high + 1].min()


            t = np.arange(RATE) / RATE
            x = np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 494 * t)
            n_fft = next(n for n in (256, 512, 1024, 2048) if valley(n) > 3)
        """,
        check=_check_window,
        wrong=((256, "62.5 Hz"), (512, "31.2 Hz"), (2048, "a shorter window"), (1000, "power of two")),
    ),
)

QUIZ = Quiz(
    id="3.1.3",
    questions=(
        Question(
            "You halve the hop and keep the window. What do you gain?",
            (
                Option(
                    "A sharper picture in time.", False, "A frame still mixes what happens within its whole window."
                ),
                Option("A sharper picture in frequency.", False, "Bins are rate / N apart, and N has not changed."),
                Option(
                    "More frames of the same sharpness.", True, "The picture is sampled more often, not more finely."
                ),
            ),
        ),
        Question(
            "A classifier gets the mean MFCC of a clip. Which of these can it not tell?",
            (
                Option(
                    "A trumpet from a flute.", False, "The envelope of the spectrum differs, and the mean keeps it."
                ),
                Option(
                    "A tune from the same tune played backwards.",
                    True,
                    "The frames are all but the same, only their order differs, and a mean does not know the order.",
                ),
                Option("A loud recording from a quiet one.", False, "The level is the first coefficient."),
            ),
        ),
        Question(
            "Why is a liftered MFCC no better for a model that standardises its inputs?",
            (
                Option(
                    "Each coefficient is multiplied by a constant, and standardising divides it out again.",
                    True,
                    "The lifter depends on i alone, not on the sound.",
                ),
                Option("Liftering removes the high coefficients.", False, "It makes them larger."),
                Option("It is better: liftering adds the pitch.", False, "It adds nothing that was not there."),
            ),
        ),
    ),
)
