"""From samples to spectra: STFT, mel spectrogram, MFCC and deltas, each written out, each equal to librosa's.

Page 3.1.3. Times are in samples: at 16 kHz a window of 2,048 samples lasts 128 ms and a hop of 512
lasts 32 ms, so a second has about 31 frames, and bins lie 16,000 / 2,048 = 7.8 Hz apart. A long
window separates tones, a short one separates moments: Δf · Δt ≈ 1.

Integer samples are taken as PCM (`avrec_lib.content.audio.to_float`). A sound of 0 samples, of more
than one dimension, or with NaN raises ValueError; one shorter than a window gives few frames, not none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy.fft import rfft
from scipy.signal import get_window

from avrec_lib.content.audio import to_float

Floats = NDArray[np.float32]
N_MFCC = 20  # of `summary`


def stft(x: ArrayLike, n_fft: int = 2048, hop: int = 512, window: str = "hann") -> NDArray[np.complex64]:
    """Cut a sound into windows and return the spectrum of each: the short-time Fourier transform.

    X[k, m] = Σ_{n=0}^{N−1} w[n] x[m·hop + n − N/2] e^(−2πi k n / N),   w[n] = (1 − cos(2πn / N)) / 2

    Frame m is centred at sample m·hop; what lies outside the sound counts as 0. Bin k is the
    frequency k · rate / N. Equals `librosa.stft`.

    Parameters
    ----------
    x : array, shape (n,)
    n_fft, hop : int
        N, the even length of a window, and the distance of two windows, in samples.
    window : str
        A name that `scipy.signal.get_window` knows: "hann", "boxcar" (none at all), "hamming", …

    Returns
    -------
    complex64 array, shape (1 + n_fft/2, 1 + ⌊n/hop⌋)
        A minute at 16 kHz takes 15 MB, and three times that on the way.
    """
    x = _signal(x)
    if n_fft < 2 or n_fft % 2 or hop < 1:
        raise ValueError(f"n_fft must be even and hop at least 1, not {n_fft} and {hop}.")
    w = get_window(window, n_fft, fftbins=True).astype(np.float32)  # (N,)
    padded = np.pad(x, n_fft // 2)  # (n + N,)
    frames = sliding_window_view(padded, n_fft)[::hop]  # (m, N), a view
    spectra: NDArray[np.complex64] = rfft(frames * w, axis=1)  # (m, 1 + N/2)
    return spectra.T  # (1 + N/2, m)


def hz_to_mel(f: ArrayLike) -> NDArray[np.float64]:
    """Return the mel of a frequency in Hz: 3f/200 below 1,000 Hz, then 15 + 27 ln(f/1000) / ln 6.4.

    Linear, then logarithmic, as pitch is heard (Slaney 1998, Auditory Toolbox; librosa's default).
    """
    f = np.asarray(f, dtype=np.float64)
    return np.where(f < 1000, 3 * f / 200, 15 + 27 * np.log(np.maximum(f, 1000) / 1000) / math.log(6.4))


def mel_to_hz(mel: ArrayLike) -> NDArray[np.float64]:
    """Return the frequency in Hz of a mel, the inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((np.maximum(mel, 15) - 15) * math.log(6.4) / 27))


def mel_filters(rate: int, n_fft: int = 2048, n_mels: int = 128) -> Floats:
    """Return triangles over the bins of an STFT, evenly spaced in mel from 0 to rate/2, each of area 1.

    H[j, k] = 2 / (r − l) · max(0, min((f_k − l) / (c − l), (r − f_k) / (r − c)))

    with the corners l, c, r of triangle j in Hz. Equals `librosa.filters.mel`. Shape (n_mels, 1 + n_fft/2).
    Many mels on a short window leave triangles that no bin meets: rows of zeros.
    """
    bins = np.fft.rfftfreq(n_fft, 1 / rate)  # (1 + N/2,) Hz
    corners = mel_to_hz(np.linspace(0, hz_to_mel(rate / 2), n_mels + 2))  # (n_mels + 2,) Hz
    left, centre, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]  # (n_mels, 1) each
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))  # (n_mels, 1 + N/2)
    filters: Floats = (np.maximum(0, triangles) * 2 / (right - left)).astype(np.float32)
    return filters


def mel_spectrogram(x: ArrayLike, rate: int, n_fft: int = 2048, hop: int = 512, n_mels: int = 128) -> Floats:
    """Return the power |X|² of a sound in mel bands: H |X|², shape (n_mels, frames). Parameters as in `stft`."""
    power = np.abs(stft(x, n_fft, hop)) ** 2  # (1 + N/2, m)
    mel: Floats = mel_filters(rate, n_fft, n_mels) @ power  # (n_mels, m)
    return mel


def to_db(power: ArrayLike, floor: float = 80.0) -> Floats:
    """Return decibels, 10 log₁₀ max(power, 10⁻¹⁰), cut off `floor` dB below the loudest.

    Equals `librosa.power_to_db`. The two limits keep silence at a finite level.
    """
    db = 10 * np.log10(np.maximum(np.asarray(power, dtype=np.float32), 1e-10))
    loud_enough: Floats = np.maximum(db, db.max() - np.float32(floor))
    return loud_enough


def mfcc(
    x: ArrayLike, rate: int, n_mfcc: int = 20, n_fft: int = 2048, hop: int = 512, n_mels: int = 128, lift: int = 0
) -> Floats:
    """Describe each window's timbre by a few numbers: the first cosines of its mel spectrum in decibels.

    C[i, m] = a_i Σ_{j=0}^{M−1} S_dB[j, m] cos(π i (j + ½) / M),   a_0 = √(1/M), a_i = √(2/M)

    (the orthonormal DCT-II). C_0 is loudness, low i the broad shape of the spectrum, high i its ripple,
    where pitch lives. Equals `librosa.feature.mfcc`.

    x, n_fft and hop are those of `stft`, rate is in Hz, n_mfcc at most M = n_mels; a `lift` above 0 is
    the length of a `lifter`. Shape (n_mfcc, frames). Source: Davis and Mermelstein 1980.
    """
    if not 1 <= n_mfcc <= n_mels:
        raise ValueError(f"n_mfcc must be from 1 to n_mels = {n_mels}, not {n_mfcc}.")
    db = to_db(mel_spectrogram(x, rate, n_fft, hop, n_mels))  # (M, m)
    C = dct(db, n_mfcc)  # (n_mfcc, m)
    return lifter(C, lift) if lift else C


def dct(X: ArrayLike, n: int) -> Floats:
    """Return the first n rows of the orthonormal DCT-II down the columns of X (M, m); the equation of `mfcc`.

    Equals `scipy.fft.dct(X, axis=0, norm="ortho")[:n]`.
    """
    X = np.asarray(X, dtype=np.float32)
    M = len(X)
    i, j = np.arange(n)[:, None], np.arange(M)
    cosines = np.sqrt(2 / M) * np.cos(np.pi * i * (j + 0.5) / M)  # (n, M)
    cosines[0] /= math.sqrt(2)
    C: Floats = cosines.astype(np.float32) @ X  # (n, m)
    return C


def lifter(C: ArrayLike, length: int = 22) -> Floats:
    """Give high cosines more weight, c_i → (1 + (L/2) sin(π (i + 1) / L)) c_i, so that all have a like spread.

    Takes and returns (n_mfcc, frames). Equals the `lifter` of `librosa.feature.mfcc`. L = 22 is HTK's.
    """
    if length < 1:
        raise ValueError(f"the length L of a lifter must be at least 1, not {length}.")
    C = np.asarray(C, dtype=np.float32)
    i = np.arange(1, len(C) + 1)
    weights = 1 + length / 2 * np.sin(np.pi * i / length)  # (n_mfcc,)
    return C * weights.astype(np.float32)[:, None]


def deltas(C: ArrayLike, width: int = 9, order: int = 1) -> Floats:
    """Return how fast each row changes, per frame: the slope of a line through `width` frames.

    Δ[m] = Σ_{k=−K}^{K} k C[m + k] / Σ_{k=−K}^{K} k²,   K = (width − 1) / 2

    Order 2 gives the second derivative of a parabola, and so on (Savitzky and Golay 1964). The first
    and last K frames take the slope of the first and last full window. Equals `librosa.feature.delta`.
    Where there are fewer frames than `width`, the window shrinks; too few for any slope give zeros.
    Takes (rows, frames), returns float32 of the same shape.
    """
    if width < 3 or width % 2 == 0 or not 1 <= order < width:
        raise ValueError(f"width must be odd and at least 3, order from 1 to width − 1, not {width} and {order}.")
    C = np.asarray(C, dtype=np.float32)
    width = min(width, C.shape[1] - (C.shape[1] + 1) % 2)  # the largest odd number of frames there are
    if width <= order:
        return np.zeros_like(C)
    k = np.arange(width) - width // 2
    powers = np.vander(k.astype(float), order + 1, increasing=True)  # (width, order + 1)
    weights = math.factorial(order) * np.linalg.pinv(powers)[order]  # (width,), least squares
    inner = sliding_window_view(C, width, axis=1) @ weights.astype(np.float32)  # (rows, frames − 2K)
    return np.pad(inner, [(0, 0), (width // 2, width // 2)], mode="edge")  # (rows, frames)


def spectral_centroid(x: ArrayLike, rate: int, n_fft: int = 2048, hop: int = 512) -> Floats:
    """Return the centre of gravity of each spectrum in Hz, Σ_k f_k |X_k| / Σ_k |X_k|: how bright a sound is.

    Shape (frames,). Equals `librosa.feature.spectral_centroid`; 0 Hz where there is silence.
    """
    return _centroid(np.abs(stft(x, n_fft, hop)), rate)


def onset_strength(db: ArrayLike) -> Floats:
    """Return how much louder the bands of a mel spectrogram in dB have become since the frame before.

    o[m] = (1 / M) Σ_j max(0, S_dB[j, m] − S_dB[j, m − 1]),   o[0] = 0

    It peaks where notes begin (spectral flux: Böck and Widmer 2013, without their filter). Shape (frames,).
    """
    db = np.asarray(db, dtype=np.float32)
    rise: Floats = np.maximum(0, np.diff(db, axis=1, prepend=db[:, :1])).mean(axis=0)  # (m,)
    return rise


def summary(x: ArrayLike, rate: int, n_fft: int = 1024, hop: int = 256) -> Floats:
    """Describe a whole sound by one vector: what its frames are on average, and how much they vary.

    Mean and standard deviation over time of 20 MFCC and of their deltas (80 numbers); mean, standard
    deviation and maximum of the onset strength, and onsets per second; mean and standard deviation
    of the spectral centroid in kHz. `summary_names` names them. Of the order of the frames only the
    deltas and onsets know: a mean delta is about the difference of the last and the first frames.

    The default window is shorter than elsewhere (64 ms, every 16 ms at 16 kHz): fast notes need it.
    An onset is a frame louder in onset strength than its neighbours and than mean + 1 standard deviation.

    Returns
    -------
    float32 array, shape (86,)
    """
    magnitude = np.abs(stft(x, n_fft, hop))  # (1 + N/2, m)
    db = to_db(mel_filters(rate, n_fft, 64) @ magnitude**2)  # (64, m)
    C = dct(db, N_MFCC)  # (20, m)
    o = onset_strength(db)  # (m,)
    is_peak = (o[1:-1] > o[:-2]) & (o[1:-1] >= o[2:]) & (o[1:-1] > o.mean() + o.std())  # (m − 2,)
    f = _centroid(magnitude, rate) / np.float32(1000)  # (m,) kHz
    tracks = np.vstack([C, deltas(C)])  # (40, m)
    onsets = [o.mean(), o.std(), o.max(), is_peak.sum() / (len(np.asarray(x)) / rate)]
    return np.concatenate([tracks.mean(axis=1), tracks.std(axis=1), onsets, [f.mean(), f.std()]]).astype(np.float32)


def summary_names() -> list[str]:
    """Return a name for each number of `summary`: "mean mfcc 0", …, "std centroid kHz"."""
    tracks = [f"{track} {i}" for track in ("mfcc", "delta") for i in range(N_MFCC)]
    onsets = ["mean onset dB", "std onset dB", "max onset dB", "onsets per second"]
    return (
        [f"{of} {track}" for of in ("mean", "std") for track in tracks]
        + onsets
        + ["mean centroid kHz", "std centroid kHz"]
    )


def _centroid(magnitude: Floats, rate: int) -> Floats:
    f: Floats = np.linspace(0, rate / 2, len(magnitude)).astype(np.float32)  # (1 + N/2,) Hz
    total = magnitude.sum(axis=0)  # (m,)
    return np.asarray(f @ magnitude / np.where(total > 0, total, 1), dtype=np.float32)


def _signal(x: ArrayLike) -> Floats:
    samples = to_float(x)
    if samples.ndim != 1:
        raise ValueError(f"x must be one channel, shape (n,), not {samples.shape}; take the mean of the channels.")
    if samples.size == 0:
        raise ValueError("x has 0 samples, so no spectrum; leave it out.")
    if not np.isfinite(samples).all():
        raise ValueError("x holds NaN or infinite samples; find out where they come from.")
    return samples
