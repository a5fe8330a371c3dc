"""Exercises of 7.3, the analysis: MSE, thinned logs, nats above the truth, interactions, groups, waiting, a project."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, refuse_close


def _check_mse(answer: float) -> str:
    refuse_close(answer, 0.04, "that is 0.2², the error on refusals alone; the clicks are rows too", rtol=1e-3)
    refuse_close(answer, 0.2, "that is the click rate, and the MSE of who always says 0; 0.2 does better", rtol=1e-3)
    refuse_close(answer, 0.4, "that is the root; the MSE is its square", rtol=1e-3)
    refuse_close(answer, 0.32, "that is the mean absolute error", rtol=1e-3)
    expect_close(answer, 0.16, "a fifth of the rows err by 0.8, four fifths by 0.2; average the squares", rtol=1e-3)
    return "It is r(1 − r), the variance of a coin. Whether 0.15 is good on such rows depends on the best possible."


def repaired(p: np.ndarray, kept: float) -> np.ndarray:
    return np.asarray(kept * p / (1 - p + kept * p))


def _times_kept(p: np.ndarray, kept: float) -> np.ndarray:
    return np.asarray(kept * p)


def _wrong_way(p: np.ndarray, kept: float) -> np.ndarray:
    return np.asarray(p / (kept * (1 - p) + p))


def _odds_only(p: np.ndarray, kept: float) -> np.ndarray:
    return np.asarray(kept * p / (1 - p))


def _check_repaired(answer: Callable[..., Any]) -> str:
    p = np.array([0.05, 0.3, 0.5, 0.8, 0.99])
    got = answer(p, 0.25)
    refuse_close(got, _times_kept(p, 0.25), "you multiply the chances; it is the odds that are too large")
    refuse_close(got, _wrong_way(p, 0.25), "that makes the chances larger still; refusals are missing, not clicks")
    refuse_close(got, _odds_only(p, 0.25), "these are odds; turn them back into chances, o / (1 + o)")
    expect_close(got, repaired(p, 0.25), "multiply the odds p / (1 − p) by the share of refusals that was kept")
    expect_close(answer(p, 1.0), p, "with all refusals kept nothing is to be mended")
    return "It never changes an order. That is why the lists of such a model are right and its MSE is not."


def lost(p: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean(true * np.log(true / p) + (1 - true) * np.log((1 - true) / (1 - p))))


def _turned(p: np.ndarray, true: np.ndarray) -> float:
    return lost(true, p)


def _clicks_only(p: np.ndarray, true: np.ndarray) -> float:
    return float(np.mean(true * np.log(true / p)))


def _log_loss(p: np.ndarray, true: np.ndarray) -> float:
    return float(-np.mean(true * np.log(p) + (1 - true) * np.log(1 - p)))


def _in_bits(p: np.ndarray, true: np.ndarray) -> float:
    return lost(p, true) / float(np.log(2))


def _check_lost(answer: Callable[..., Any]) -> str:
    p, true = np.array([0.2, 0.5, 0.7, 0.1]), np.array([0.4, 0.5, 0.9, 0.05])
    got = answer(p, true)
    refuse_close(got, _turned(p, true), "the roles are exchanged: clicks come with the true chance")
    refuse_close(got, _clicks_only(p, true), "the refusals are missing; a row has both ends")
    refuse_close(got, _log_loss(p, true), "that is the expected log loss; subtract that of the true chances")
    refuse_close(got, _in_bits(p, true), "that is in bits; use natural logarithms")
    expect_close(got, lost(p, true), "average, over rows, the expected log loss with p minus that with the truth")
    expect_close(answer(true, true), 0.0, "the true chances lose nothing")
    return "It is the Kullback-Leibler divergence of two coins: never below 0, and 0 only for the truth."


def interaction(z: np.ndarray) -> np.ndarray:
    return np.asarray(z - z.mean(axis=0) - z.mean(axis=1, keepdims=True) + z.mean())


def _no_grand_mean(z: np.ndarray) -> np.ndarray:
    return np.asarray(z - z.mean(axis=0) - z.mean(axis=1, keepdims=True))


def _rows_only(z: np.ndarray) -> np.ndarray:
    return np.asarray(z - z.mean(axis=1, keepdims=True))


def _columns_only(z: np.ndarray) -> np.ndarray:
    return np.asarray(z - z.mean(axis=0))


def _check_interaction(answer: Callable[..., Any]) -> str:
    z = np.array([[2.0, -1.0, 0.5], [-1.5, 3.0, 1.5]])
    got = answer(z)
    refuse_close(got, _no_grand_mean(z), "the mean of all was subtracted twice, with the rows and with the columns")
    refuse_close(got, _rows_only(z), "the columns have means of their own, which a sum of senses can reach")
    refuse_close(got, _columns_only(z), "the rows have means of their own, which a sum of senses can reach")
    expect_close(got, interaction(z), "subtract the best row + column table, so that all rows and columns sum to 0")
    added = np.array([1.0, -2.0, 0.3])[:, None] + np.array([0.5, 4.0])
    expect_close(answer(added), np.zeros((3, 2)), "a sum of a row's and a column's number has no interaction")
    return "Two topics by three tempos: what is left is what concat, gate and attention could learn and a sum cannot."


def _check_luck(answer: float) -> str:
    refuse_close(
        answer, 1.0, "that is the expected number of false alarms; the question is the chance of any", rtol=1e-3
    )
    refuse_close(answer, 0.05, "that is the chance for one group", rtol=1e-3)
    refuse_close(answer, 0.358486, "that is the chance that there is none", rtol=1e-3)
    expect_close(answer, 0.641514, "all twenty stay quiet with chance 0.95²⁰", rtol=1e-3)
    return "Two times in three. With intervals at 1 − 0.05/20, Bonferroni's, it would be one time in twenty again."


def _check_device(answer: float) -> str:
    refuse_close(answer, 20.0, "the waiting does not get faster", rtol=1e-3)
    refuse_close(answer, 12.4, "that averages the factors; add up the times and divide", rtol=5e-3)
    refuse_close(answer, 2.5, "that is the limit for an infinitely fast device", rtol=1e-3)
    refuse_close(answer, 0.43, "that is the time that is left; the factor is its inverse", rtol=1e-3)
    expect_close(answer, 1 / 0.43, "the time becomes 0.4 + 0.6 / 20 of what it was", rtol=1e-3)
    return "From now on it waits 93 % of the time. Somebody should have looked at the gathering first."


KEYS = ("change", "expected", "full", "mine", "interval", "found")
VERDICTS = ("better", "worse", "cannot tell")


def _words(answer: Mapping[str, Any]) -> None:
    if not isinstance(answer["change"], str) or len(answer["change"].split()) < 4:
        raise Wrong("say under change in a sentence what you changed; others shall be able to repeat it.")
    for key in ("expected", "found"):
        if answer[key] not in VERDICTS:
            raise Wrong(f"{key} must be one of 'better', 'worse' and 'cannot tell'.")


def _check_project(answer: Mapping[str, Any]) -> str:
    _words(answer)
    try:
        full, mine = (np.asarray(answer[key], dtype=np.float64) for key in ("full", "mine"))
        low, high = (float(end) for end in answer["interval"])
    except (TypeError, ValueError):
        raise Wrong("full and mine are lists of numbers, one a viewer, and interval is two numbers.") from None
    if full.ndim != 1 or full.shape != mine.shape:
        raise Wrong(f"the two sides must be of the same viewers, in the same order, not {full.shape} and {mine.shape}.")
    if len(full) < 30:
        raise Wrong(f"{len(full)} viewers are too few for an interval; take at least 30.")
    if min(full.min(), mine.min()) < 0 or max(full.max(), mine.max()) > 1:
        raise Wrong("a viewer's AUC lies between 0 and 1; some of yours do not.")
    gap = mine - full
    if not gap.any():
        raise Wrong("both sides are equal for every viewer: is it the same model twice?")
    mean, half = float(gap.mean()), 1.96 * float(gap.std(ddof=1)) / len(gap) ** 0.5
    apart = 1.96 * float(np.hypot(full.std(ddof=1), mine.std(ddof=1))) / len(gap) ** 0.5
    if low > high:
        raise Wrong("the interval begins with its lower end.")
    if abs(-high - (mean - half)) < 0.2 * half and abs(-low - (mean + half)) < 0.2 * half and abs(mean) > 0.2 * half:
        raise Wrong("the sign is turned; the interval is that of mine − full.")
    if abs((high - low) / 2 - apart) < 0.1 * apart and apart > 1.3 * half:
        raise Wrong("that is the interval of two unrelated groups; these are pairs, so take that of the differences.")
    if abs(low - (mean - half)) > 0.25 * half or abs(high - (mean + half)) > 0.25 * half:
        raise Wrong("that is not the interval of the mean of mine − full over viewers; recompute it from the lists.")
    right = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    if answer["found"] != right:
        told = "holds 0" if right == "cannot tell" else "leaves out 0"
        raise Wrong(f"your interval {told}, so what was found is {right!r}, however you had hoped.")
    as_hoped = "as you expected" if answer["expected"] == right else f"you expected {answer['expected']!r}: say why not"
    seen = 2.8 / 1.96 * half
    return (
        f"{right}, {mean:+.4f} [{low:+.4f}, {high:+.4f}], {as_hoped}. With these viewers a difference of {seen:.4f} "
        "would be found four times in five; put that number into your page, and judge it by the table."
    )


def _record(shift: float, n: int = 400, **changes: object) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    full = np.clip(rng.normal(0.8, 0.08, n), 0, 1)
    mine = np.clip(full + shift + rng.normal(0, 0.02, n), 0, 1)
    gap = mine - full
    half = 1.96 * float(gap.std(ddof=1)) / n**0.5
    low, high = float(gap.mean()) - half, float(gap.mean()) + half
    found = "better" if low > 0 else "worse" if high < 0 else "cannot tell"
    record = {
        "change": "no sense is hidden while training",
        "expected": "cannot tell",
        "full": full.tolist(),
        "mine": mine.tolist(),
        "interval": (low, high),
        "found": found,
    }
    return record | changes


_GOOD = _record(-0.01)


def _unpaired() -> tuple[float, float]:
    full, mine = np.array(_GOOD["full"]), np.array(_GOOD["mine"])
    half = 1.96 * float(np.hypot(full.std(ddof=1), mine.std(ddof=1))) / len(full) ** 0.5
    return float((mine - full).mean()) - half, float((mine - full).mean()) + half


EXERCISES = (
    Exercise(
        id="mse-of-a-constant",
        title="The MSE of knowing nothing",
        difficulty=1,
        minutes=3,
        prompt="On some rows one in five gets a click. What is the MSE of a model that says 0.2 to every row?",
        starter="mse = ...",
        hints=(
            "A row with a click has the error 1 − 0.2, a row without has 0 − 0.2.",
            "Square both, and weigh them by how many rows there are of each.",
        ),
        solution=0.16,
        solution_source="mse = 0.2 * 0.8**2 + 0.8 * 0.2**2",
        check=_check_mse,
        wrong=(
            (0.04, "on refusals alone"),
            (0.2, "the click rate"),
            (0.4, "that is the root"),
            (0.32, "absolute error"),
        ),
    ),
    Exercise(
        id="odds-of-a-thinned-log",
        title="Only every fourth refusal was kept",
        difficulty=2,
        minutes=8,
        prompt=r"""
            To save time a model was trained on all clicks and on a share `kept` of the refusals, drawn at random. Its
            odds $p / (1 - p)$ are then $1/\mathtt{kept}$ times too large. Write `repaired(p, kept)`: the chances that
            hold for the whole log.
        """,
        starter="""
            def repaired(p: np.ndarray, kept: float) -> np.ndarray:
                ...  # your code here
        """,
        hints=(
            "Turn chances into odds, mend the odds, turn them back.",
            r"The odds $o$ belong to the chance $o / (1 + o)$.",
        ),
        solution=repaired,
        check=_check_repaired,
        wrong=(
            (_times_kept, "multiply the chances"),
            (_wrong_way, "larger still"),
            (_odds_only, "these are odds"),
        ),
    ),
    Exercise(
        id="nats-above-the-truth",
        title="What a forecast loses",
        difficulty=2,
        minutes=8,
        prompt=r"""
            The true chance of a click of row $e$ is $q_e$ (`true`), a model says $p_e$ (`p`), both between 0 and 1.
            Write `lost(p, true)`: the mean over rows of the *expected* log loss with $p_e$ minus that with $q_e$, in
            nats.
        """,
        starter="""
            def lost(p: np.ndarray, true: np.ndarray) -> float:
                ...  # your code here
        """,
        hints=(
            r"The expected log loss of saying $p$ is $-q \log p - (1 - q) \log (1 - p)$.",
            "Subtract the same with $q$ in the place of $p$, then take the mean over rows.",
        ),
        solution=lost,
        check=_check_lost,
        wrong=(
            (_turned, "roles are exchanged"),
            (_clicks_only, "refusals are missing"),
            (_log_loss, "subtract that of the true chances"),
            (_in_bits, "in bits"),
        ),
    ),
    Exercise(
        id="what-no-sum-reaches",
        title="What no sum of senses can reach",
        difficulty=2,
        minutes=10,
        prompt=r"""
            `z` holds one viewer's log-odds of a click: a row for each topic, a column for each tempo. A sum of senses
            can form every table $a_i + b_j$, and nothing else. Write `interaction(z)`: what remains of `z` after the
            nearest such table (in squared error) is subtracted.
        """,
        starter="""
            def interaction(z: np.ndarray) -> np.ndarray:
                ...  # your code here: the shape of z
        """,
        hints=(
            "The nearest table is made of the means of the rows and of the columns.",
            "Row mean plus column mean holds the mean of the whole table twice. What remains sums to 0 in every row.",
        ),
        solution=interaction,
        check=_check_interaction,
        wrong=(
            (_no_grand_mean, "subtracted twice"),
            (_rows_only, "the columns have means"),
            (_columns_only, "the rows have means"),
        ),
    ),
    Exercise(
        id="twenty-groups",
        title="One of twenty looks bad",
        difficulty=1,
        minutes=4,
        prompt="""
            A model serves twenty groups of viewers equally well. For each group a 95 % interval is computed, of other
            viewers each time, so they err independently. What is the chance that at least one of the twenty intervals
            leaves out the truth?
        """,
        starter="chance = ...  # between 0 and 1",
        hints=(
            "It is easier to compute the chance that none does.",
            "One interval holds the truth with chance 0.95. And twenty?",
        ),
        solution=1 - 0.95**20,
        solution_source="chance = 1 - 0.95**20",
        check=_check_luck,
        wrong=(
            (1.0, "expected number"),
            (0.05, "for one group"),
            (0.3585, "there is none"),
            (0.5, "stay quiet"),
        ),
    ),
    Exercise(
        id="a-faster-device",
        title="Twenty times as fast",
        difficulty=1,
        minutes=4,
        prompt="""
            A training waits for its batches 40 % of the time and computes 60 %, one after the other. You buy a device
            that computes twenty times as fast. How many times as fast is the training?
        """,
        starter="factor = ...",
        hints=(
            "Let the whole take 1. How long do the two parts take afterwards?",
            "The 0.4 stays, and 0.6 becomes 0.6 / 20.",
        ),
        solution=1 / 0.43,
        solution_source="factor = 1 / (0.4 + 0.6 / 20)",
        check=_check_device,
        wrong=(
            (20.0, "does not get faster"),
            (12.4, "averages the factors"),
            (2.5, "infinitely fast"),
            (0.43, "its inverse"),
        ),
    ),
    Exercise(
        id="one-change",
        title="The open project: one change, measured",
        difficulty=3,
        minutes=240,
        prompt="""
            Fill in the record of your project. `change`: a sentence. `expected`: what you wrote down before you
            trained, `"better"`, `"worse"` or `"cannot tell"`. `full` and `mine`: lists of the AUC of each viewer on one
            test, the same viewers in the same order, under the full model and under yours (the column `AUC` of
            `per_viewer`; means over seeds if you have several). `interval`: the two ends of the 95 % interval of the
            mean of mine − full over viewers. `found`: what the interval says, in one of the same three answers. The
            check recomputes the interval and holds your claim to it. It can't judge your page; the table above can.
        """,
        starter="""
            project_record = {
                "change": ...,  # a sentence
                "expected": ...,  # "better", "worse" or "cannot tell", before you trained
                "full": ...,  # a list, one number a viewer
                "mine": ...,  # a list, the same viewers
                "interval": ...,  # low, high
                "found": ...,  # "better", "worse" or "cannot tell"
            }
        """,
        hints=(
            "Begin with a change that this page has trained already: `whole`, the model without hidden senses.",
            "`own_auc(p, rows)` makes a table with a row for each viewer; make it for both models. `paired_difference` "
            "of the two tables gives the mean and the two ends.",
            "If the interval holds 0, `found` is `'cannot tell'`. That is a result: it bounds what the change can do.",
        ),
        solution=_GOOD,
        solution_source="""
            rows = data.tests["seen clips"]
            one, other = (own_auc(p["seen clips"], rows) for p in (full, predict(whole)))
            gap, low, high = paired_difference(other, one, "AUC")
            project_record = {
                "change": "no sense is hidden while training",
                "expected": "cannot tell",
                "full": one["AUC"].tolist(),
                "mine": other["AUC"].tolist(),
                "interval": (low, high),
                "found": "better" if low > 0 else "worse" if high < 0 else "cannot tell",
            }
        """,
        check=_check_project,
        wrong=(
            (_record(-0.01, change="hide=0"), "in a sentence"),
            (_record(-0.01, expected="much better"), "must be one of"),
            (_record(-0.01, full=_GOOD["full"][1:]), "in the same order"),
            (_record(-0.01, n=20), "too few"),
            (_record(-0.01, full=[100 * x for x in _GOOD["full"]]), "between 0 and 1"),
            (_record(-0.01, mine=_GOOD["full"]), "same model twice"),
            (_record(-0.01, interval=_GOOD["interval"][::-1]), "lower end"),
            (_record(-0.01, interval=(-_GOOD["interval"][1], -_GOOD["interval"][0])), "sign is turned"),
            (_record(-0.01, interval=_unpaired()), "unrelated groups"),
            (_record(-0.01, interval=(-0.5, 0.5)), "recompute it"),
            (_record(-0.01, found="better"), "however you had hoped"),
            (_record(-0.01, interval=(0.01,)), "two numbers"),
        ),
    ),
)

QUIZ = Quiz(
    id="7.3",
    questions=(
        Question(
            "A model has an MSE of 0.170 on one test and of 0.145 on another. What follows?",
            (
                Option("It is better on the second.", False, "Perhaps its rows are only easier to foretell."),
                Option(
                    "Nothing, before one knows the best possible or a baseline on each.",
                    True,
                    "On this page the true chances themselves differ by as much.",
                ),
                Option("The first test is too small.", False, "The size of a test widens the interval only."),
            ),
        ),
        Question(
            "All odds of a model are multiplied by four. What changes?",
            (
                Option("Its MSE and its calibration, but no list.", True, "The order within a list stays as it was."),
                Option("Its AUC and its lists.", False, "Multiplying odds keeps every order."),
                Option("Nothing.", False, "A chance of 0.2 becomes one of 0.5."),
            ),
        ),
        Question(
            "The gate and the attention do not beat the sum on these clips. What does that say about your data?",
            (
                Option("Sums are best for senses.", False, "In this world liking is a sum of three terms."),
                Option(
                    "Little: ask by the same ablation whether your senses interact.",
                    True,
                    "The answer here follows from how the clicks were made.",
                ),
                Option("Attention needs more heads.", False, "There is nothing for a head to find here."),
            ),
        ),
        Question(
            "On this page a quarter of the training impressions was kept. Which quarter served the full model better?",
            (
                Option("A quarter of everybody's rows.", False, "It brought no more than a stranger gets."),
                Option(
                    "All rows of a quarter of the viewers.",
                    True,
                    "From people known well it found the kinds; the others are served all the same.",
                ),
                Option("Either, rows are rows.", False, "One of them went much further."),
            ),
        ),
        Question(
            "A sense is missing in a clip, and a model that never hid senses in training loses hardly more than one "
            "that did. What is a likely reason here?",
            (
                Option(
                    "In a sum the missing term is left out, and the others keep their meaning.",
                    True,
                    "A gate or a concatenation has to learn what to do without it.",
                ),
                Option("The sense was useless.", False, "Without it the way is a good deal shorter."),
                Option("The test has too few such clips.", False, "The sense was hidden in all rows of the test."),
            ),
        ),
        Question(
            "A group's interval leaves out the mean of all. Twenty groups were looked at. What now?",
            (
                Option("Report the group.", False, "One of twenty is to be expected by luck."),
                Option(
                    "Test this group again on other days, by the same measure.",
                    True,
                    "A second look at a group that was named beforehand has no such luck in it.",
                ),
                Option("Nothing, it must be luck.", False, "It may be; that is why one looks again."),
            ),
        ),
    ),
)
