"""Exercises of 3.3, the flow: the way to a limit, senses that both have, a chart with a hole, one's own file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from avrec_lib.content.understanding import Understanding
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, expect_equal, refuse_close

ARROWS = "A-B A-C A-D B-E C-F D-G E-H F-I G-J H-K I-L J-M K-N L-N M-N"
ARTICLE = [tuple(arrow.split("-")) for arrow in ARROWS.split()]
BRANCHES = {"text", "picture", "sound", "words"}
OF_THE_BOOK = {"bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4", "beckett.wav", "two_cities.wav", "cover.png"}


def _check_share(answer: float) -> str:
    refuse_close(answer, 0.72 / 0.78, "an AUC of .5 costs nothing: the way begins at chance, not at 0", rtol=1e-2)
    refuse_close(answer, 0.5, "that is the share of what text alone had left over; the way begins at chance", rtol=1e-2)
    refuse_close(answer, 0.22, "that is how far it is above chance; divide by how far the limit is", rtol=1e-2)
    expect_close(answer, 0.22 / 0.28, "divide the distance from chance by that of the limit", rtol=1e-2)
    return "Text alone goes 57 % of the way, so the other two senses found half of what it had left over."


def agreement(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    cosines = [a[s] @ b[s] / (np.linalg.norm(a[s]) * np.linalg.norm(b[s])) for s in a if s in b]
    return float(np.mean(cosines)) if cosines else 0.0


def _over_all_senses(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    cosines = [a[s] @ b[s] / (np.linalg.norm(a[s]) * np.linalg.norm(b[s])) for s in a if s in b]
    return float(sum(cosines) / len(a | b))


def _dot_products(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    return float(np.mean([a[s] @ b[s] for s in a if s in b] or [0.0]))


def _side_by_side(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    shared = [s for s in a if s in b]
    x, y = (np.concatenate([z[s] for s in shared] or [np.zeros(1)]) for z in (a, b))
    return float(x @ y / max(np.linalg.norm(x) * np.linalg.norm(y), 1e-9))


def _nothing_shared(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    return float(np.mean([a[s] @ b[s] / (np.linalg.norm(a[s]) * np.linalg.norm(b[s])) for s in a if s in b]))


def _check_agreement(answer: Callable[..., Any]) -> str:
    film = {"text": np.array([3.0, 4.0]), "sound": np.array([10.0, 0.0])}
    poster = {"text": np.array([4.0, 3.0]), "picture": np.array([1.0, 1.0, 1.0])}
    other = {"sound": np.array([0.0, 10.0]), "text": np.array([4.0, 3.0])}
    got = answer(film, poster)
    refuse_close(got, 24.0, "that is a dot product; a cosine divides by both lengths")
    refuse_close(got, 0.32, "you divide by all senses that occur, so a sense that one of the two lacks counts as a 0")
    refuse_close(got, 0.48, "you divide by the senses of one file; only those that both have can be compared")
    expect_close(got, 0.96, "text is the only sense that both have, and its cosine is 0.96", rtol=1e-4)
    both = answer(film, other)
    refuse_close(both, 0.192, "side by side, the sense with the longer vectors decides; take a cosine for each sense")
    expect_close(both, 0.48, "text agrees with 0.96 and sound with 0: the mean of two cosines is wanted", rtol=1e-4)
    expect_close(answer({"text": np.ones(2)}, {"sound": np.ones(2)}), 0.0, "they share no sense, so nothing agrees")
    return (
        "This is late fusion: each sense is compared by itself. It needs no training, and cannot learn any weights. "
        "Uncentred, the look (no number below 0) would make any two clips agree."
    )


def starved(edges: Iterable[tuple[str, str]], missing: set[str]) -> set[str]:
    empty = set(missing)
    while True:
        fed = {b for a, b in edges if a not in empty}
        more = {b for a, b in edges if b not in fed} - empty
        if not more:
            return empty - missing
        empty |= more


def _any_input(edges: Iterable[tuple[str, str]], missing: set[str]) -> set[str]:
    empty = set(missing)
    for _ in range(100):
        empty |= {b for a, b in edges if a in empty}
    return empty - missing


def _one_step(edges: Iterable[tuple[str, str]], missing: set[str]) -> set[str]:
    fed = {b for a, b in edges if a not in missing}
    return {b for _, b in edges if b not in fed} - missing


def _with_missing(edges: Iterable[tuple[str, str]], missing: set[str]) -> set[str]:
    return starved(edges, missing) | missing


def _sources_too(edges: Iterable[tuple[str, str]], missing: set[str]) -> set[str]:
    return starved(edges, missing) | {a for a, _ in edges} - {b for _, b in edges} - missing


def _check_starved(answer: Callable[..., Any]) -> str:
    got = answer(ARTICLE, {"D"})
    if not isinstance(got, set):
        raise Wrong("return a set of boxes")
    if "D" in got:
        raise Wrong("D itself is missing, which was told; only the boxes behind it are asked for")
    if "N" in got:
        raise Wrong("N still hears from K and L: a box is starved only if all that leads to it is empty")
    if "A" in got:
        raise Wrong("A is where the chart begins: a box that no arrow leads to waits for nothing")
    if got == {"G"}:
        raise Wrong("G is empty, so J hears from nobody either: go on until nothing more becomes empty")
    expect_equal(got, {"G", "J", "M"}, "without D, the boxes G, J and M get nothing")
    expect_equal(answer(ARTICLE, {"B", "C", "D"}), set("EFGHIJKLMN"), "without any sense everything behind is empty")
    expect_equal(answer(ARTICLE, set()), set(), "with nothing missing no box is starved")
    return (
        "M is called cross-modal understanding, and a silent film leaves it with nothing, though it has pictures. "
        "N is still fed, by K and L, and nobody tells it what is missing."
    )


def _check_own(answer: dict[str, Any]) -> str:
    expected, found = answer["expected"], answer["found"]
    if unknown := expected - BRANCHES:
        raise Wrong(f"{sorted(map(str, unknown))[0]!r} is no branch: there are text, picture, sound and words")
    if found.path.name in OF_THE_BOOK:
        raise Wrong("that is one of the book's own files; take one that you have made or know well")
    if not found.vectors:
        raise Wrong("every branch is empty, so there is nothing to look at; take another file, or give it a title")
    surprises = sorted(expected ^ set(found.missing))
    if not surprises:
        return (
            "You foresaw every empty branch. Look at the labels and the words too: is any of them wrong, and how sure?"
        )
    why = [f"{name} ({found.missing.get(name, 'it has something to say')})" for name in surprises]
    return f"Not as you foresaw: {', '.join(why)}. Was the file different from what you thought, or a branch mistaken?"


EXERCISES = (
    Exercise(
        id="share-of-the-way",
        title="How far is it to the limit?",
        difficulty=1,
        minutes=4,
        prompt="""
            On some other catalogue, text alone reaches an AUC of 0.66 and all senses together 0.72. The Bayes limit
            is 0.78. Which share of the way from chance to the limit do all senses cover?
        """,
        starter="share_of_the_way = ...",
        hints=(
            "What AUC does a model reach that knows nothing and orders at random?",
            "Both distances, that of the model and that of the limit, begin at 0.5.",
        ),
        solution=0.22 / 0.28,
        solution_source="share_of_the_way = (0.72 - 0.5) / (0.78 - 0.5)",
        check=_check_share,
        wrong=((0.923, "costs nothing"), (0.5, "had left over"), (0.22, "above chance"), (0.6, "divide the distance")),
    ),
    Exercise(
        id="late-fusion",
        title="Compare what both have",
        difficulty=2,
        minutes=10,
        prompt="""
            Two clips are given, each as a dict from sense to its block $z_{ib}$, centred as `join` does it: on the
            page, clip `i` is `{name: Z[i] for name, Z in equal.items()}`. A sense that a clip lacks is not in its
            dict. Write `agreement(a, b)`: the mean of the cosines over the senses that *both* have, and 0 if they
            share none.
        """,
        starter="""
            def agreement(a: dict, b: dict) -> float:
                ...  # your code here
        """,
        hints=(
            "Collect one number for each sense `s` of `a` that is also a key of `b`.",
            "`np.linalg.norm` gives a length; the cosine is the dot product over both lengths.",
            "`np.mean` of an empty list is NaN, so ask first whether the list is empty.",
        ),
        solution=agreement,
        check=_check_agreement,
        wrong=(
            (_over_all_senses, "all senses that occur"),
            (_dot_products, "a cosine divides by both lengths"),
            (_side_by_side, "the longer vectors decide"),
            (_nothing_shared, "NaN"),
        ),
    ),
    Exercise(
        id="starved-boxes",
        title="What does a missing sense leave empty?",
        difficulty=2,
        minutes=12,
        prompt="""
            A chart is a list of arrows such as `edges`. Some boxes are missing. A box is *starved* if at least one
            arrow leads to it, and every arrow that does comes from a missing or a starved box. Write
            `starved(edges, missing)`, which returns the set of starved boxes, without the missing ones. Then try it on
            the page's `edges` with `{"D"}`, a film without sound.
        """,
        starter="""
            def starved(edges: list, missing: set) -> set:
                ...  # your code here
        """,
        hints=(
            "Keep a set of empty boxes that begins as a copy of `missing`.",
            "A box is fed if some arrow comes to it from a box that is not empty.",
            "Each round may make further boxes empty; repeat until a round changes nothing.",
        ),
        solution=starved,
        check=_check_starved,
        wrong=(
            (_any_input, "N still hears"),
            (_one_step, "hears from nobody either"),
            (_with_missing, "which was told"),
            (_sources_too, "where the chart begins"),
        ),
    ),
    Exercise(
        id="own-file",
        title="A file of your own",
        difficulty=3,
        minutes=20,
        prompt="""
            Take a film, a sound, a picture or a text that you know well. *Before* you run anything, write down which
            of the four branches `"text"`, `"picture"`, `"sound"`, `"words"` will be empty. Then understand the file,
            with a title or without, and hand in both: your guess as a set, and what `understand` returned. There is no
            wrong guess here; the check tells you what you did not foresee.
        """,
        starter="""
            own = {
                "expected": ...,  # a set, such as {"words"}
                "found": ...,  # understand(the path of your file, a title)
            }
        """,
        hints=(
            "A film that a telephone made has pictures and sound. Has it words? Did you give it a title?",
            "No file at hand? `wav_bytes` makes one of any samples: write them into a temporary folder.",
            "Print the labels of the found file, and each word with its probability. Which would you not trust?",
        ),
        solution={
            "expected": {"picture", "words"},
            "found": Understanding(
                Path("hum.wav"),
                "sound",
                seconds=2.0,
                text="somebody hums",
                vectors={"text": np.zeros(384, np.float32), "sound": np.zeros(259, np.float32)},
                missing={"picture": "a sound has no pictures", "words": "no speech was heard"},
            ),
        },
        solution_source="""
            hum = Path(tempfile.mkdtemp()) / "hum.wav"
            hum.write_bytes(wav_bytes(0.3 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 220 / RATE), RATE))
            own = {"expected": {"picture", "words"}, "found": understand(hum, "somebody hums")}
        """,
        check=_check_own,
        wrong=(
            (
                {"expected": {"words"}, "found": Understanding(Path("bigbuckbunny.mp4"), "film")},
                "the book's own files",
            ),
            ({"expected": {"words"}, "found": Understanding(Path("empty.wav"), "sound")}, "every branch is empty"),
            ({"expected": {"colours"}, "found": Understanding(Path("mine.jpg"), "picture")}, "'colours' is no branch"),
        ),
    ),
)

QUIZ = Quiz(
    id="3.3",
    questions=(
        Question(
            "A clip has no sound, and after joining, its sound block is zeros. What does the model take it for?",
            (
                Option("A clip whose sound is silence.", False, "Silence has a summary of its own, far from the mean."),
                Option(
                    "A clip whose sound is like that of the average clip.",
                    True,
                    "The blocks are centred, so 0 is the mean: what one expects without having heard it.",
                ),
                Option("A clip that nobody likes.", False, "A 0 adds nothing to the score, neither up nor down."),
            ),
        ),
        Question(
            "A speech recogniser without gates writes “thank you for watching” under every silent clip. What follows?",
            (
                Option("Nothing: all of them get the same vector.", False, "That is just the harm."),
                Option(
                    "All silent clips become neighbours in the text's space.",
                    True,
                    "Whoever clicked on one is then shown the others, for words that nobody said.",
                ),
                Option("The clips are left out.", False, "They have a text now, so nobody will notice."),
            ),
        ),
        Question(
            "Mean and spread of each block are taken over all clips, the new ones too. What is wrong with that?",
            (
                Option(
                    "On the day the model runs, the new clips are not there yet.",
                    True,
                    "The test would use knowledge of the future: little here, much where groups of words are learnt.",
                ),
                Option("Nothing, because no clicks are used.", False, "Features can leak as well as clicks."),
                Option("The mean is then not 0.", False, "It would be 0 over all clips; that is not the trouble."),
            ),
        ),
        Question(
            "On 9,000 logged clicks and passes your model's AUC is three thousandths above the Bayes limit that was "
            "computed from p. What do you conclude?",
            (
                Option("The limit was computed wrongly.", False, "Perhaps, but there is a simpler reason."),
                Option("The model knows more than the truth.", False, "Nobody orders coin tosses better than by p."),
                Option(
                    "Nothing yet: I compare both on the same clicks. By a tenth, I would look for a leak.",
                    True,
                    "The limit holds on average; luck alone moves an AUC on so many tosses by several thousandths. "
                    "On the same clicks most of the luck cancels.",
                ),
            ),
        ),
    ),
)
