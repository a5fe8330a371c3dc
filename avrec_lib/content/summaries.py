"""What a picture looks like and what a sound sounds like, each as one short vector with nothing learnt.

Pages 3.2.3 and 3.3. A network trained on photographs of objects keeps the objects and lets go of the
rest; these numbers keep the rest: colours, texture by its size, loudness by pitch, rhythm. They take
well under a millisecond a picture and a few milliseconds a second of sound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avrec_lib.content.audio import to_float
from avrec_lib.content.image import Picture, resize_and_crop
from avrec_lib.content.spectra import dct, deltas, mel_filters, onset_strength, stft, to_db

Floats = NDArray[np.float32]
SIDE = 64  # pixels: every picture is looked at in this size
BLOCK = 8  # pixels: the side of a block whose texture is measured
SCALES = (1, 2, 4)
PERCENTILES = (10, 25, 50, 75, 90)
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
N_MELS = 64
N_MFCC = 20
ROLLOFFS = (0.5, 0.75, 0.9, 0.95)
THRESHOLDS = (0.5, 1.0, 1.5, 2.0)
LONGEST_LAG = 0.64  # s: a slow beat


def picture_summary(picture: Picture) -> Floats:
    """Describe a picture by its colours and by how strong its texture is at three sizes.

    Mean, median and standard deviation of red, green and blue (9 numbers). For each scale, the
    picture shrunk 1, 2 and 4 times: the lengths of the grey gradient |∇g|, averaged over the blocks of
    a grid, ln(1 + ·), and of these the 10th, 25th, 50th, 75th and 90th percentile (15 numbers). A
    pattern fills most blocks and an object only some, so the percentiles tell them apart.

    Parameters
    ----------
    picture : uint8 array, shape (H, W, 3)
        Brought to 64×64 pixels first, by `resize_and_crop`.

    Returns
    -------
    float32 array, shape (24,)
    """
    small = resize_and_crop(picture, SIDE) if picture.shape != (SIDE, SIDE, 3) else picture
    x = small.astype(np.float32)  # (64, 64, 3)
    pixels = x.reshape(-1, 3)
    grey = x @ GREY  # (64, 64)
    textures = []
    for scale in SCALES:
        g = _block_means(grey, scale)  # (64/s, 64/s)
        down, across = np.gradient(g)
        blocks = _block_means(np.hypot(down, across), BLOCK // min(scale, 2))
        textures.append(np.percentile(np.log1p(blocks), PERCENTILES))
    colours = [pixels.mean(axis=0), np.median(pixels, axis=0), pixels.std(axis=0)]
    return np.concatenate([np.concatenate(colours) / 255, *textures]).astype(np.float32)


def sound_summary(x: ArrayLike, rate: int, n_fft: int = 1024, hop: int = 256) -> Floats:
    """Describe a sound by its timbre, its spectrum and its rhythm.

    *Timbre*: mean and standard deviation over time of 20 MFCC and their deltas (80 numbers).
    *Spectrum*: mean and standard deviation of 64 mel bands in dB (128), and the logarithms of the
    frequencies below which 50, 75, 90 and 95 % of all power lie (4). *Rhythm*: logarithms of mean,
    spread and maximum of the onset strength (3), of 1 + the number of its peaks a second above mean +
    0.5, 1, 1.5 and 2 standard deviations (4), and its autocorrelation at lags up to 0.64 s (40 at 16 kHz).

    Parameters as in `spectra.stft`, rate in Hz. A silent sound has a rhythm of zeros.

    Returns
    -------
    float32 array, shape (219 + lags,)
    """
    power = np.abs(stft(x, n_fft, hop)) ** 2  # (1 + N/2, m)
    db = to_db(mel_filters(rate, n_fft, N_MELS) @ power)  # (64, m)
    C = dct(db, N_MFCC)  # (20, m)
    tracks = np.vstack([C, deltas(C), db])  # (104, m)
    o = onset_strength(db)  # (m,)
    seconds = len(to_float(x)) / rate
    peaks = (o[1:-1] > o[:-2]) & (o[1:-1] >= o[2:])  # (m − 2,)
    counts = [np.sum(peaks & (o[1:-1] > o.mean() + t * o.std())) / seconds for t in THRESHOLDS]
    rises = np.log1p([o.mean(), o.std(), o.max()])
    return np.concatenate(
        [
            tracks.mean(axis=1),
            tracks.std(axis=1),
            _rolloffs(power, rate),
            rises,
            np.log1p(counts),
            _rhythm(o, rate / hop),
        ]
    ).astype(np.float32)


def _rolloffs(power: Floats, rate: int) -> Floats:
    """Return ln of the frequencies in Hz below which a share of the whole sound's power lies."""
    share = np.cumsum(power.sum(axis=1, dtype=np.float64))  # (1 + N/2,)
    bins = np.searchsorted(share, np.array(ROLLOFFS) * share[-1]) if share[-1] > 0 else np.zeros(len(ROLLOFFS))
    return np.log((bins + 0.5) * rate / (2 * (len(power) - 1))).astype(np.float32)


def _rhythm(o: Floats, frames_a_second: float) -> Floats:
    """Return the autocorrelation of the onset strength at lags of 1, 2, … frames; 0 beyond the sound's end."""
    lags = round(LONGEST_LAG * frames_a_second)
    z = o - o.mean()
    whole = float(z @ z)
    r = np.zeros(lags, dtype=np.float32)
    if whole > 0:
        n = min(lags, len(z) - 1)
        r[:n] = [z[:-lag] @ z[lag:] / whole for lag in range(1, n + 1)]
    return r


def _block_means(x: Floats, side: int) -> Floats:
    """Return the mean of each block of side × side numbers; x is (n·side, n·side)."""
    n = len(x) // side
    means: Floats = x.reshape(n, side, n, side).mean(axis=(1, 3))
    return means
