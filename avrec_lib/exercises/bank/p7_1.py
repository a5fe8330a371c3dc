"""Exercises of 7.1, what to run it on: versions, bytes of AdamW, parts of a step, an estimate of its time, bfloat16."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.sizes import SIZES, model_size

OFFERED = ["2.9.0", "2.10.1", "1.26.4", "2.0.2", "3.0.0", "2.4.6"]
NEEDS = [">=1.22,<3", ">=2.0", "!=2.4.6"]


def allowed(offered: list[str], needs: list[str]) -> list[str]:
    both = SpecifierSet(",".join(needs))
    return sorted((version for version in offered if both.contains(version)), key=Version, reverse=True)


def _any_of_them(offered: list[str], needs: list[str]) -> list[str]:
    good = [v for v in offered if any(SpecifierSet(need).contains(v) for need in needs)]
    return sorted(good, key=Version, reverse=True)


def _as_text(offered: list[str], needs: list[str]) -> list[str]:
    return sorted(allowed(offered, needs), reverse=True)


def _oldest_first(offered: list[str], needs: list[str]) -> list[str]:
    return allowed(offered, needs)[::-1]


def _first_need(offered: list[str], needs: list[str]) -> list[str]:
    return allowed(offered, needs[:1])


def _check_allowed(answer: Callable[..., Any]) -> str:
    got = answer(list(OFFERED), list(NEEDS))
    if not isinstance(got, list) or not all(isinstance(version, str) for version in got):
        raise Wrong("return a list of versions as texts, such as ['2.1', '2.0'].")
    right = allowed(OFFERED, NEEDS)
    if got == _any_of_them(OFFERED, NEEDS):
        raise Wrong("your versions please somebody; each has to please everybody.")
    if got == _first_need(OFFERED, NEEDS):
        raise Wrong("you asked the first package only.")
    if got == right[::-1]:
        raise Wrong("the newest comes first: that is the one an installer tries.")
    if got == _as_text(OFFERED, NEEDS):
        raise Wrong("2.10 is newer than 2.9, though not as a text; compare them with Version.")
    if got != right:
        raise Wrong(f"of {', '.join(OFFERED)} with {' and '.join(NEEDS)} you allow {', '.join(got) or 'none'}.")
    if answer(["1.0", "2.0"], [">=2", "<2"]) != []:
        raise Wrong("no version is at least 2 and below 2; then the list is empty.")
    return "An empty list is an answer too: the packages cannot live together, however long pip tries."


def _check_bytes(answer: float) -> str:
    refuse_close(answer, 0.1, "that is the weights alone", rtol=1e-3)
    refuse_close(
        answer, 0.2, "those are weights and gradients; AdamW keeps something of each weight as well", rtol=1e-3
    )
    refuse_close(answer, 0.3, "AdamW keeps two numbers of each weight: the mean of its gradients and of their squares")
    refuse_close(answer, 3.2, "that is in bits", rtol=1e-3)
    expect_close(answer, 0.4, "each weight needs itself, its gradient and two moments, 4 bytes each", rtol=1e-3)
    return "A quarter of it is the model. Whoever only serves needs 0.1 GB, and half of that in bfloat16."


def parts(clips: int, memory: float, fixed: float, per_clip: float) -> int:
    most = math.floor((0.9 * memory - fixed) / per_clip)
    if most < 1:
        raise ValueError("not even one clip fits")
    return math.ceil(clips / most)


def _forgets_fixed(clips: int, memory: float, fixed: float, per_clip: float) -> int:
    return math.ceil(clips / math.floor(0.9 * memory / per_clip))


def _fills_all(clips: int, memory: float, fixed: float, per_clip: float) -> int:
    return math.ceil(clips / math.floor((memory - fixed) / per_clip))


def _rounds_down(clips: int, memory: float, fixed: float, per_clip: float) -> int:
    return max(1, clips // math.floor((0.9 * memory - fixed) / per_clip))


def _no_error(clips: int, memory: float, fixed: float, per_clip: float) -> int:
    return math.ceil(clips / max(1, math.floor((0.9 * memory - fixed) / per_clip)))


def _check_parts(answer: Callable[..., Any]) -> str:
    case = (1000, 10e9, 3e9, 10e6)  # 600 fit; without the fixed bytes 900, without the reserve 700
    many = answer(6300, *case[1:])
    refuse_close(many, _rounds_down(6300, *case[1:]), "the last clips have no part; round up")
    refuse_close(many, _forgets_fixed(6300, *case[1:]), "the fixed bytes are there in every part")
    refuse_close(many, _fills_all(6300, *case[1:]), "a tenth of the memory is kept free")
    expect_close(answer(*case), 2, "1,000 clips of which 600 fit at once take two parts")
    expect_close(answer(600, *case[1:]), 1, "600 clips fit exactly")
    expect_close(many, 11, "6,300 clips of which 600 fit at once take eleven parts")
    try:
        answer(8, 1e9, 0.95e9, 1e6)
    except Exception as crash:
        if isinstance(crash.__cause__, ValueError):
            return "`Settings(accumulate=...)` does it, and the step stays the step: the same sum, in more time."
        raise
    raise Wrong("where not even one clip fits, raise a ValueError: no number of parts helps.")


def clips_to_fill(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
    gain = flops / peak - moved / bandwidth
    return fixed / bandwidth / gain if gain > 0 else math.inf


def _without_fixed(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
    return 1.0 if flops / peak > moved / bandwidth else math.inf


def _never_inf(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
    return fixed / bandwidth / (flops / peak - moved / bandwidth)


def _moves_nothing(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
    return fixed / bandwidth / (flops / peak)


def _turned(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
    return clips_to_fill(flops, moved, fixed, bandwidth, peak)


def _check_fill(answer: Callable[..., Any]) -> str:
    case = (8e9, 4e6, 1e9, 1e12, 1e9)  # 8 ms against 4 ms a clip, and 1 s: 250 clips
    got = answer(*case)
    refuse_close(got, _without_fixed(*case), "the weights and moments have to be moved as well, however few the clips")
    refuse_close(got, _moves_nothing(*case), "each clip moves bytes too, and they take time on the same road")
    refuse_close(got, _turned(*case), "the operations belong to the peak, and the bytes to the bandwidth", rtol=1e-3)
    expect_close(got, 250.0, "set flops · C / peak equal to (moved · C + fixed) / bandwidth, and solve for C")
    if float(answer(1e9, 4e6, 1e9, 1e12, 1e9)) != math.inf:
        raise Wrong("where a clip's bytes take longer than its operations, no batch is large enough: return math.inf.")
    return "A batch spreads the cost of moving the weights over more clips. What a clip moves itself, it cannot spread."


def to_bf16(x: np.ndarray) -> np.ndarray:
    bits = x.view(np.uint32)
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)
    return np.asarray((rounded & 0xFFFF0000).astype(np.uint32).view(np.float32))


def _cut(x: np.ndarray) -> np.ndarray:
    return np.asarray((x.view(np.uint32) & 0xFFFF0000).astype(np.uint32).view(np.float32))


def _ties_away(x: np.ndarray) -> np.ndarray:
    return np.asarray(((x.view(np.uint32) + 0x8000) & 0xFFFF0000).astype(np.uint32).view(np.float32))


def _half(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(x, -65504, 65504).astype(np.float16).astype(np.float32))


def _two_decimals(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.round(x, 2).astype(np.float32))


def _check_bf16(answer: Callable[..., Any]) -> str:
    x = np.array([1.0, 1 + 2**-7, 1.003, 1.006, -3.14159, 1e30, 1e-30, 0.0], dtype=np.float32)
    ties = np.array([1 + 2**-8, 1 + 3 * 2**-8, -(1 + 2**-8)], dtype=np.float32)
    got = answer(x)
    refuse_close(got, _cut(x), "you cut the lower bits off, which rounds towards 0", rtol=1e-7, atol=0)
    refuse_close(got, _half(x), "that is float16: more digits, and no number above 65504", rtol=1e-7, atol=0)
    expect_close(got, to_bf16(x), "keep the nearest number that has 7 bits after the point", rtol=1e-7, atol=0)
    tied = answer(ties)
    refuse_close(tied, _ties_away(ties), "a number in the middle of two goes to the one whose last bit is 0", rtol=1e-7)
    expect_close(tied, to_bf16(ties), "a tie goes to the even neighbour", rtol=1e-7)
    return "Always up at a tie would make the mean of many numbers drift; to the even one they cancel."


def _check_machine(answer: Any) -> str:  # noqa: ANN401 (whatever a student writes)
    if not isinstance(answer, dict) or set(answer) != {"memory", "has_bf16", "clips", "settings"}:
        raise Wrong("a dict with memory, has_bf16, clips and settings is asked for.")
    memory, clips, settings = answer["memory"], answer["clips"], answer["settings"]
    if not isinstance(settings, Settings) or not isinstance(answer["has_bf16"], bool):
        raise Wrong("settings must be a Settings, and has_bf16 True or False.")
    if isinstance(memory, bool) or not isinstance(memory, (int, float)) or not 0.1 <= memory <= 2000:
        raise Wrong("memory is in gigabytes: 8, say, or 141.")
    if isinstance(clips, bool) or not isinstance(clips, int) or not 1 <= clips <= 1_000_000:
        raise Wrong("clips is a whole number: how many different ones are computed at once.")
    if settings.precision == "bf16" and not answer["has_bf16"]:
        raise Wrong("the machine computes no bfloat16 of its own; it would be imitated, and slower than float32.")
    found = model_size(settings)
    activations = found.bf16_activations if settings.precision == "bf16" else found.activations
    needed = (found.memory_in(settings.precision) + activations * (clips / found.clips - 1)) / 1e9
    if needed > 0.9 * memory:
        raise Wrong(f"a step needs {needed:.2f} GB, more than 90 % of {memory:g}: take fewer clips at once.")
    return f"A step needs {needed:.2f} GB of {memory:g}. Now the defence, in words: what would a larger batch buy?"


def _mine(**changes: object) -> dict[str, object]:
    return {"memory": 8, "has_bf16": False, "clips": 256, "settings": SIZES["medium"]} | changes


EXERCISES = (
    Exercise(
        id="bytes-of-adamw",
        title="How much is a weight, in training?",
        difficulty=1,
        minutes=3,
        prompt="""
            A model has 25 million weights, all of them trained with AdamW in float32. How many gigabytes ($10^9$
            bytes) do weights, gradients and moments take together, before the first activation?
        """,
        starter="gigabytes = ...",
        hints=(
            "A float32 is 4 bytes.",
            "Four numbers are kept of each weight. Which?",
        ),
        solution=0.4,
        solution_source="gigabytes = 25e6 * 4 * (1 + 1 + 2) / 1e9",
        check=_check_bytes,
        wrong=(
            (0.1, "the weights alone"),
            (0.2, "AdamW keeps something"),
            (0.3, "the mean of its gradients"),
            (3.2, "in bits"),
            (0.5, "two moments, 4 bytes"),
        ),
    ),
    Exercise(
        id="intersect-versions",
        title="Which versions please everybody?",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `allowed(offered, needs)`. `offered` is a list of versions as texts, in no order, `needs` a list of
            specifiers, one a package, such as `">=1.22,<3"`. Return the versions that all of them accept, the newest
            first.
        """,
        starter="""
            def allowed(offered: list[str], needs: list[str]) -> list[str]:
                ...  # your code here
        """,
        hints=(
            '`SpecifierSet(">=1.22,<3").contains("2.0")` is True. A comma means *and*.',
            "`sorted(..., key=Version, reverse=True)` knows that 2.10 comes after 2.9.",
        ),
        solution=allowed,
        check=_check_allowed,
        wrong=(
            (_any_of_them, "please somebody"),
            (_first_need, "the first package only"),
            (_oldest_first, "newest comes first"),
            (_as_text, "not as a text"),
        ),
    ),
    Exercise(
        id="parts-of-a-step",
        title="A step that does not fit",
        difficulty=2,
        minutes=8,
        prompt="""
            Write `parts(clips, memory, fixed, per_clip)`: into how many parts must a step of `clips` clips be split
            at least, so that each fits? A part needs the `fixed` bytes of weights, gradients and moments, and
            `per_clip` for each of its clips. Use at most 90 % of `memory`. Where not even one clip fits, raise a
            `ValueError`.
        """,
        starter="""
            def parts(clips: int, memory: float, fixed: float, per_clip: float) -> int:
                ...  # your code here
        """,
        hints=(
            "How many clips fit at once? Half a clip is none.",
            "So many parts, rounded up. `import math` gives `math.floor` and `math.ceil`.",
            "The fixed bytes do not shrink with the part.",
        ),
        solution=parts,
        check=_check_parts,
        wrong=(
            (_forgets_fixed, "in every part"),
            (_fills_all, "kept free"),
            (_rounds_down, "round up"),
            (_no_error, "raise a ValueError"),
        ),
    ),
    Exercise(
        id="clips-to-fill-a-card",
        title="From which batch on is a card busy computing?",
        difficulty=2,
        minutes=10,
        prompt="""
            By the roofline a step on $C$ clips takes $\\max(fC/P,\\ (qC + Q_0)/W)$ seconds: $f$ operations
            (`flops`) and $q$ bytes (`moved`) a clip, $Q_0$ bytes whatever the batch (`fixed`), a peak of $P$
            operations and a bandwidth of $W$ bytes a second. Write
            `clips_to_fill(flops, moved, fixed, peak, bandwidth)`: the $C$, not rounded, from which on the operations
            take longest. Where there is none, return `math.inf`.
        """,
        starter="""
            def clips_to_fill(flops: float, moved: float, fixed: float, peak: float, bandwidth: float) -> float:
                ...  # your code here
        """,
        hints=(
            "At that $C$ the two terms are equal: a linear equation.",
            "If $f/P$ is not larger than $q/W$, the first line never catches up.",
        ),
        solution=clips_to_fill,
        check=_check_fill,
        wrong=(
            (_without_fixed, "however few the clips"),
            (_moves_nothing, "on the same road"),
            (_turned, "belong to the peak"),
            (_never_inf, "return math.inf"),
        ),
    ),
    Exercise(
        id="round-to-bf16",
        title="bfloat16 by hand",
        difficulty=3,
        minutes=12,
        prompt="""
            Write `to_bf16(x)`: each number of a float32 array, rounded to the nearest that bfloat16 has, again as
            float32. In the middle of two, take the one whose last kept bit is 0. Use only NumPy. `x` holds neither
            NaN nor infinity.
        """,
        starter="""
            def to_bf16(x: np.ndarray) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "`x.view(np.uint32)` shows the 32 bits of each number as an integer; `.view(np.float32)` turns back.",
            "bfloat16 is the upper 16 bits. What must be added before you clear the lower ones?",
            "Add `0x7FFF`, and one more where bit 16 (the last kept one) is 1.",
        ),
        solution=to_bf16,
        check=_check_bf16,
        wrong=(
            (_cut, "rounds towards 0"),
            (_ties_away, "whose last bit is 0"),
            (_half, "that is float16"),
            (_two_decimals, "7 bits after the point"),
        ),
    ),
    Exercise(
        id="settings-for-your-machine",
        title="Settings for your machine, and why",
        difficulty=3,
        minutes=20,
        prompt="""
            What would you train on the machine before you? Write `mine`, a dict: `"memory"`, gigabytes of the card,
            or that a process may have without one; `"has_bf16"`, whether it computes bfloat16 itself; `"clips"`, how
            many different ones are computed at once, that is, in one part of a step; `"settings"`, a `Settings`. The
            check counts whether one part fits. Then defend the
            choice in five sentences to somebody else: what limits your step, operations, bytes or starts? What would
            the next larger card change?
        """,
        starter="mine = ...",
        hints=(
            '`SIZES["medium"].but(precision="tf32")` changes one setting. `accumulate` only says into how many parts a '
            "step is divided; how many clips a part has, you say yourself.",
            "`torch.cuda.is_bf16_supported(including_emulation=False)` answers for an NVIDIA card: True from Ampere "
            "(2020) on. Say False for a CPU.",
            "`avrec doctor` tells the memory. A process seldom gets more than half of a laptop's.",
            "`model_size(settings, batch_clips=...).memory_in(...) / 1e9` is what the check compares with 90 % of it.",
        ),
        solution=_mine(),
        solution_source=('mine = {"memory": 8, "has_bf16": False, "clips": 256, "settings": SIZES["medium"]}'),
        check=_check_machine,
        wrong=(
            (_mine(clips=20_000), "take fewer clips"),
            (_mine(settings=Settings(precision="bf16")), "imitated"),
            (_mine(memory=8e9), "in gigabytes"),
            (_mine(settings="medium"), "expected a Settings"),
        ),
    ),
)

QUIZ = Quiz(
    id="7.1",
    questions=(
        Question(
            "A page of advice says: Python 3.7 or newer, TensorFlow 2.0 or newer. What do two readers get who follow "
            "it a year apart?",
            (
                Option("The same, since both obey it.", False, "An open end admits whatever is newest on the day."),
                Option(
                    "Probably different versions, each newest on its day.",
                    True,
                    "A lower bound says what is too old. Only a list of pins says what was tested.",
                ),
                Option("Python 3.7 and TensorFlow 2.0.", False, "An installer takes the newest that is allowed."),
            ),
        ),
        Question(
            "You doubled the batch and the memory of a step did not double. Why?",
            (
                Option("The batch is compressed.", False, "Nothing compresses it."),
                Option(
                    "Weights, gradients and moments do not depend on the batch.",
                    True,
                    "Only the activations grow with it. Where they are nearly all, it nearly doubles after all.",
                ),
                Option("PyTorch keeps only half of the activations.", False, "It keeps what the way back needs."),
            ),
        ),
        Question(
            "On an L4 a step of your model is bound by the bandwidth. You switch from fp32 to tf32. What happens?",
            (
                Option(
                    "Hardly anything.",
                    True,
                    "TF32 makes products faster and moves the same bytes. bf16 would also move fewer.",
                ),
                Option(
                    "It is twice as fast.", False, "So it would be if products were the bottleneck: only P doubles."
                ),
                Option("It needs half the memory.", False, "TF32 numbers are stored in 32 bits."),
            ),
        ),
        Question(
            "Two runs with one seed, on two machines, differ in the sixth digit of the loss. What is the likeliest "
            "reason?",
            (
                Option(
                    "Sums were added up in another order.",
                    True,
                    "Threads and processors split sums differently, and rounding depends on the order.",
                ),
                Option("The seed was ignored.", False, "Then the first digits would differ."),
                Option("One processor is faulty.", False, "Possible, and a million times rarer."),
            ),
        ),
    ),
)
