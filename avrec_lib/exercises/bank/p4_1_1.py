"""Exercises of 4.1.1, collection: clicks per look, a whole record, sending until answered, and rare clips."""

import contextlib
import uuid
import zlib
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avrec_lib.behaviour.event_log import encode
from avrec_lib.behaviour.events import Event
from avrec_lib.data.clips import load_clips
from avrec_lib.exercises import Exercise, Option, Question, Quiz, Wrong, expect_close, expect_equal, refuse_close

CLICKS = np.array([1, 0, 0, 1, 0, 0, 1, 0])
POSITIONS = np.array([1, 1, 2, 2, 3, 4, 4, 4])
THETA = np.array([1.0, 0.8, 0.5, 0.4])


def liking(clicks: np.ndarray, positions: np.ndarray, theta: np.ndarray) -> float:
    return float(clicks.sum() / theta[positions - 1].sum())


def _per_impression(clicks: np.ndarray, positions: np.ndarray, theta: np.ndarray) -> float:
    return float(clicks.mean())


def _mean_of_ratios(clicks: np.ndarray, positions: np.ndarray, theta: np.ndarray) -> float:
    return float((clicks / theta[positions - 1]).mean())


def _from_zero(clicks: np.ndarray, positions: np.ndarray, theta: np.ndarray) -> float:
    return float(clicks.sum() / theta[positions].sum())


def _looks_of_clicks(clicks: np.ndarray, positions: np.ndarray, theta: np.ndarray) -> float:
    return float(clicks.sum() / theta[positions - 1][clicks == 1].sum())


def _check_liking(answer: Callable[..., Any]) -> str:
    got = answer(CLICKS, POSITIONS, THETA)
    arguments = (CLICKS, POSITIONS, THETA)
    refuse_close(got, _per_impression(*arguments), "that divides by the impressions, looked at or not")
    refuse_close(
        got,
        _mean_of_ratios(*arguments),
        "that weighs each click by its own place and divides by the impressions; it is right on average too, but a "
        "click far down counts a lot. The page's equation has one sum above and one below",
    )
    refuse_close(got, _looks_of_clicks(*arguments), "the sum below runs over all impressions, clicked or not")
    expect_close(got, liking(*arguments), "3 clicks, divided by the sum of looks of all eight impressions")
    return "Three clicks in 5.3 looks: more than half of those who looked, though only three in eight impressions."


RECORD = encode([Event("e1", "s1", "v1", "c1", "comment", 1_790_812_840, 4, device="ios", text="好看")])


def is_whole(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:-1])


def _without_end(line: bytes) -> bool:
    return line[:9] == b"%08x " % zlib.crc32(line[9:].rstrip(b"\n"))


def _with_end(line: bytes) -> bool:
    return line.endswith(b"\n") and line[:9] == b"%08x " % zlib.crc32(line[9:])


def _only_end(line: bytes) -> bool:
    return line.endswith(b"\n")


def _by_number(line: bytes) -> bool:
    return line.endswith(b"\n") and int(line[:8], 16) == zlib.crc32(line[9:-1])


def _check_whole(answer: Callable[..., Any]) -> str:
    expect_equal(answer(RECORD), True, "a whole record is refused; the checksum is that of the bytes between the two")
    expect_equal(answer(b"no record at all\n"), False, "a line of other text passes; its end alone proves nothing")
    for cut in range(len(RECORD)):
        message = f"a record cut at byte {cut} of {len(RECORD)} passes"
        if cut == len(RECORD) - 1:
            message += "; only its last byte is missing, and without an end it is not finished"
        expect_equal(answer(RECORD[:cut]), False, message)
    for place in range(len(RECORD)):
        changed = RECORD[:place] + bytes([RECORD[place] ^ 1]) + RECORD[place + 1 :]
        expect_equal(answer(changed), False, f"a record with a changed bit at byte {place} passes")
    return "Any cut and any single changed bit is found. A CRC-32 misses one damage in 2³² of those made at random."


def send_all(texts: list[str], send: Callable[[str, str], None]) -> int:
    tries = 0
    for text in texts:
        event_id = str(uuid.uuid4())
        answered = False
        while not answered:
            tries += 1
            try:
                send(event_id, text)
                answered = True
            except ConnectionError:
                pass
    return tries


def _gives_up(texts: list[str], send: Callable[[str, str], None]) -> int:
    for text in texts:
        with contextlib.suppress(ConnectionError):
            send(str(uuid.uuid4()), text)
    return len(texts)


def _new_id_each_try(texts: list[str], send: Callable[[str, str], None]) -> int:
    tries = 0
    for text in texts:
        answered = False
        while not answered:
            tries += 1
            try:
                send(str(uuid.uuid4()), text)
                answered = True
            except ConnectionError:
                pass
    return tries


def _text_as_id(texts: list[str], send: Callable[[str, str], None]) -> int:
    tries = 0
    for text in texts:
        answered = False
        while not answered:
            tries += 1
            try:
                send(text, text)
                answered = True
            except ConnectionError:
                pass
    return tries


def _no_try(texts: list[str], send: Callable[[str, str], None]) -> int:
    for text in texts:
        send(str(uuid.uuid4()), text)
    return len(texts)


def _check_send(answer: Callable[..., Any]) -> str:
    texts = ["nice", "wow", "nice", "again!", "so slow"]
    fates = iter(["ok", "lost", "lost", "ok", "answer lost", "ok", "answer lost", "answer lost", "ok", "lost", "ok"])
    stored: dict[str, str] = {}
    calls = []

    def send(event_id: str, text: str) -> None:
        calls.append(event_id)
        if len(calls) > 100:
            raise RuntimeError("send was called 100 times for five texts; stop when it has returned")
        fate = next(fates, "ok")
        if fate != "lost":
            stored.setdefault(event_id, text)
        if fate != "ok":
            raise ConnectionError("no answer")

    got = answer(texts, send)
    found, sent = Counter(stored.values()), Counter(texts)
    if found["again!"] > 1 or found["nice"] > sent["nice"]:
        raise Wrong("a text is stored more than once: a second try must carry the id of the first.")
    if found["nice"] < sent["nice"] and found["wow"]:
        raise Wrong("two viewers said the same, and only one is stored: two events need two ids.")
    if found != sent:
        raise Wrong("a text is lost: no answer means that it has to be sent again.")
    expect_close(got, len(calls), "return how many times send was called")
    return "Eleven tries, five events: at least once from you, at most once from the collector."


@lru_cache(maxsize=1)
def _opened() -> NDArray[np.bool_]:
    clips = load_clips()
    opened = np.zeros((len(clips.viewers), len(clips.items)), dtype=np.bool_)
    clicked = clips.impressions[clips.impressions["click"]]
    opened[clicked["user"], clicked["item"]] = True
    return opened


def _share_alone(n: int, sign: int) -> float:
    opened = _opened()
    order = np.argsort(sign * opened.sum(axis=0), kind="stable")
    chosen = [order[row[order]][:n] for row in opened]
    return 100 * float(np.mean([opened[:, some].all(axis=1).sum() == 1 for some in chosen]))


def _check_rare(answer: float) -> str:
    refuse_close(answer, _share_alone(2, 1) / 100, "that is a share; the question asks for per cent", rtol=1e-3)
    refuse_close(answer, 21.2, "that is for two clips at random, as on the page", rtol=2e-3)
    refuse_close(answer, _share_alone(2, -1), "those are the two best known of their clips", rtol=1e-3)
    refuse_close(answer, _share_alone(1, 1), "that is with one clip; two are known", rtol=1e-3)
    expect_close(answer, _share_alone(2, 1), "sort each viewer's clips by how many opened them", rtol=2e-3)
    return "Two odd tastes tell more about a person than three ordinary ones."


EXERCISES = (
    Exercise(
        id="clicks-per-look",
        title="Clicks per look",
        difficulty=1,
        minutes=6,
        prompt=r"""
            A clip was shown some times. `clicks` says for each impression whether it was clicked (1 or 0), `positions`
            where in the list it stood, counted from 1, and `theta[0]`, `theta[1]`, … are $\theta_1$, $\theta_2$, …
            All three are NumPy arrays. Write `liking(clicks, positions, theta)`, the estimate $\hat p_i$ of the page.
        """,
        starter="""
            def liking(clicks, positions, theta):
                ...  # your code here: one number
        """,
        hints=(
            "One sum above the line, one below. Which impressions does each run over?",
            "Positions count from 1 and arrays from 0: the look of each impression is `theta[positions - 1]`.",
        ),
        solution=liking,
        check=_check_liking,
        wrong=(
            (_per_impression, "looked at or not"),
            (_mean_of_ratios, "far down counts a lot"),
            (_looks_of_clicks, "clicked or not"),
            (_from_zero, "IndexError"),
        ),
    ),
    Exercise(
        id="whole-record",
        title="Is this record whole?",
        difficulty=2,
        minutes=10,
        prompt="""
            A record of the page's log is a line of bytes: a checksum in eight lower-case hexadecimal digits, as
            `encode` writes them, a space, the body, and the byte `\\n`. Write `is_whole(line)`: True if the line has
            its end and its body has the checksum. Any other bytes give False, never an error.
        """,
        starter="""
            def is_whole(line):
                ...  # your code here: True or False
        """,
        hints=(
            "`zlib.crc32(body)` is a number. Which way round is safer: to read the digits, or to write the number?",
            'The page\'s `encode` writes `b"%08x %b\\n" % (zlib.crc32(body), body)`. Where is the body?',
        ),
        solution=is_whole,
        check=_check_whole,
        wrong=(
            (_without_end, "only its last byte is missing"),
            (_with_end, "a whole record is refused"),
            (_only_end, "a line of other text"),
            (_by_number, "ValueError"),
        ),
    ),
    Exercise(
        id="send-until-answered",
        title="Send until answered",
        difficulty=2,
        minutes=12,
        prompt="""
            You are the client. `send(an_id, a_text)` gives one event to a collector that drops ids it has seen. It
            returns when the event is stored. Otherwise it raises `ConnectionError`, and then the event may be stored or
            not. Write `send_all(texts, send)` so that each of the texts, of which some are equal, is stored exactly
            once. Return how many times you called `send`.
        """,
        starter="""
            def send_all(texts, send):
                ...  # your code here: the number of calls
        """,
        hints=(
            "`str(uuid.uuid4())` makes an id that nobody else has. When do you make one?",
            "Once for each text, before the first try. Then repeat `send` inside `try` until it has not raised.",
        ),
        solution=send_all,
        check=_check_send,
        wrong=(
            (_gives_up, "has to be sent again"),
            (_new_id_each_try, "the id of the first"),
            (_text_as_id, "two events need two ids"),
            (_no_try, "ConnectionError"),
        ),
    ),
    Exercise(
        id="two-rare-clips",
        title="Two rare clips",
        difficulty=3,
        minutes=15,
        prompt="""
            On the page you knew clips at random. Now you know, of each viewer, the two clips that the fewest others
            opened: order all clips by the number of viewers who opened them, the fewest first and among equals the
            lower index first, and take the first two that the viewer opened. For how many per cent of the 1,000 viewers
            are they the only one who opened both?
        """,
        starter="""
            # opened: the page's table, a row for each viewer, a column for each clip
            alone_rare = ...  # per cent
        """,
        hints=(
            '`opened.sum(axis=0)` counts viewers; `np.argsort(…, kind="stable")` keeps the order among equals.',
            "With that order, `order[row[order]][:2]` are the two rarest clips of the viewer with this row.",
        ),
        solution=92.1,
        solution_source="""
            order = np.argsort(opened.sum(axis=0), kind="stable")
            rarest = [order[row[order]][:2] for row in opened]
            alone_rare = 100 * np.mean([opened[:, two].all(axis=1).sum() == 1 for two in rarest])
        """,
        check=_check_rare,
        wrong=((21.2, "at random"), (0.921, "that is a share"), (50.0, "sort each viewer")),
    ),
)

QUIZ = Quiz(
    id="4.1.1",
    questions=(
        Question(
            "Clip A has twice as many clicks as clip B. What do you need before you say that it is liked better?",
            (
                Option("More clicks.", False, "A million clicks are biased by exposure as much as a hundred."),
                Option(
                    "How often, at which places and to whom each was shown.",
                    True,
                    "A click needs a clip that is shown, and a viewer who looks and likes it.",
                ),
                Option("The likes as well.", False, "Likes need an impression too; the same bias is in them."),
            ),
        ),
        Question(
            "`print(line, file=file, flush=True)` has returned. Then the machine loses its power. Where is the line?",
            (
                Option("On the disk: that is what flush is for.", False, "It hands the bytes to the system's memory."),
                Option("Perhaps on the disk, perhaps nowhere.", True, "Only fsync waits until the disk has it."),
                Option("Lost, in Python's buffer.", False, "That buffer is what flush has emptied."),
            ),
        ),
        Question(
            "A client has sent an event and got no answer. What does it know?",
            (
                Option("That the event was lost.", False, "The answer may have been lost instead."),
                Option("That the event was stored.", False, "It may never have arrived."),
                Option("Neither. It must send it again, with the same id.", True, "The id lets the collector drop it."),
            ),
        ),
        Question(
            "User ids are keyed hashes, and the key has been destroyed. Is the log anonymous now?",
            (
                Option("Yes, nobody can compute the ids any more.", False, "The behaviour itself still names people."),
                Option(
                    "No: a few known clips can single a viewer out, and then show all the others.",
                    True,
                    "On the clips of this book, three known clips do so for most viewers.",
                ),
                Option("Yes, if the key was long enough.", False, "Its length protects the ids, not the histories."),
            ),
        ),
    ),
)
