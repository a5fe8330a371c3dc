"""What a log must not tell: who a viewer is, and the addresses and numbers that people write into comments.

Section 4.1. A pseudonym hides a name from whoever has no key. It makes no one anonymous: the rows of
one viewer still belong together, and what somebody watched can give them away.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence

import pandas as pd

from avrec_lib.behaviour.events import check_table

KEY_BYTES = 16  # the least that cannot be guessed
PSEUDONYM_DIGITS = 32  # 128 bits: among 10⁹ ids, two share a pseudonym with probability 10⁻²¹

HALF_WIDTH = str.maketrans("０１２３４５６７８９＋＠（）－．", "0123456789+@()-.")  # one for one: places stay
EMAIL = r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(?![A-Za-z0-9])"
GAP = r"[ \-‐‑–.]?"  # what people put between groups of digits
PHONES = (
    rf"(?:(?:\+|00)?86{GAP})?1[3-9][0-9]{GAP}[0-9]{{4}}{GAP}[0-9]{{4}}",  # Chinese mobile: 138 1234 5678
    rf"(?:(?:\+|00)86{GAP}|0)(?:10|2[0-9]|[3-9][0-9]{{2}}){GAP}[0-9]{{4}}{GAP}[0-9]{{3,4}}",  # 010-6512 3456
    rf"\(0[1-9][0-9]{{1,3}}\){GAP}[0-9]{{3,4}}{GAP}[0-9]{{3,4}}",  # an area code in brackets: (020) 7946 0958
    r"[48]00[ -][0-9]{3,4}[ -][0-9]{3,4}",  # Chinese service number: 400-123-4567
    rf"(?:\+?1{GAP})?(?:\([2-9][0-9]{{2}}\) ?|[2-9][0-9]{{2}}[-. ])[2-9][0-9]{{2}}[-. ][0-9]{{4}}",  # North America
    rf"0[1-9][0-9]{{1,3}}[ -][0-9]{{3,4}}[ -]?[0-9]{{3,4}}|07[0-9]{{3}}{GAP}[0-9]{{6}}",  # United Kingdom
    rf"\+(?=(?:[^0-9]{{0,2}}[0-9]){{8}})[1-9][0-9]{{0,2}}(?:{GAP}(?:\([0-9]{{1,4}}\)|[0-9]{{1,4}})){{2,6}}",  # other
)
PRIVATE = re.compile(rf"(?P<email>{EMAIL})|(?<![0-9.A-Za-z])(?P<phone>{'|'.join(PHONES)})(?!\.?[0-9])")


def pseudonymise(ids: pd.Series | Sequence[str | None], key: bytes) -> pd.Series:
    """Return HMAC-SHA-256(key, id) of each id, its first 32 hexadecimal digits.

    Equal ids get equal pseudonyms, so sessions and histories stay whole. A hash without a key hides
    nothing: whoever has a list of ids hashes them all and compares. Keep the key apart from the log;
    who destroys it can never go back from a pseudonym to an id.

    Parameters
    ----------
    ids : Series or sequence of str, length n
        Missing ids stay missing.
    key : bytes
        At least 16, from `secrets.token_bytes(32)`. Take one key a column, or the user "42" and the
        session "42" get one pseudonym.

    Returns
    -------
    Series of str, length n
        With the index and the name of `ids` if it is a Series.

    Raises
    ------
    ValueError
        If the key is too short or no bytes, or an id is not text.

    References
    ----------
    Krawczyk, Bellare, Canetti, HMAC: Keyed-Hashing for Message Authentication, RFC 2104, 1997.
    """
    if not isinstance(key, bytes) or len(key) < KEY_BYTES:
        raise ValueError(f"key must be at least {KEY_BYTES} random bytes, such as secrets.token_bytes(32).")
    column = ids if isinstance(ids, pd.Series) else pd.Series(list(ids), dtype=object)
    distinct = column.dropna().unique().tolist()  # a hash a distinct id, not a row
    if wrong := [value for value in distinct if not isinstance(value, str)]:
        raise ValueError(f"an id must be text, not {wrong[0]!r}; turn the column into text first.")
    names = {name: hmac.digest(key, name.encode(), "sha256").hex()[:PSEUDONYM_DIGITS] for name in distinct}
    return column.map(names).astype("str")


def scrub(text: str) -> str:
    """Return the text with e-mail addresses as "[email]" and telephone numbers as "[phone]".

    Numbers are found in Chinese, North American and British form and, with a +, in any other; digits
    may be full-width. Years, dates, scores and other numbers stay. It works by form: an address
    that is spelt out ("ann at example dot com", 幺三八…) stays too, and so does a name.

    Raises
    ------
    ValueError
        If it is not text; for a column with gaps: `column.map(scrub, na_action="ignore")`.
    """
    if not isinstance(text, str):
        raise ValueError(f"scrub takes one text, not {text!r}; for a column: column.map(scrub, na_action='ignore').")
    pieces, end = [], 0
    for match in PRIVATE.finditer(text.translate(HALF_WIDTH)):
        pieces += [text[end : match.start()], f"[{match.lastgroup}]"]
        end = match.end()
    return "".join([*pieces, text[end:]])


def forget(events: pd.DataFrame, user_id: str) -> pd.DataFrame:
    """Return the table without a user's rows, and without rows of no user in sessions that are only theirs.

    A table is not all there is: the log it was read from and every copy of it have to go the same way.

    Parameters
    ----------
    events : DataFrame
        With the columns of `events.COLUMNS`.
    user_id : str
        As it is in the table: of a pseudonymised one, the pseudonym.

    Returns
    -------
    DataFrame
        The other rows, unchanged, with their index.

    Raises
    ------
    ValueError
        If it is no table of events, or has no row of this user: nobody should believe in a deletion
        that deleted nothing.
    """
    check_table(events)
    theirs = events["user_id"].eq(user_id).fillna(False).to_numpy(dtype=bool)
    if not theirs.any():
        raise ValueError(f"no row is of user {user_id!r}, so none was deleted; is the table pseudonymised?")
    known = events["user_id"].notna().to_numpy(dtype=bool)
    sessions = events["session_id"]
    shared = sessions[known & ~theirs].dropna().unique()
    nameless = ~known & sessions.isin(sessions[theirs].dropna().unique()).to_numpy() & ~sessions.isin(shared).to_numpy()
    return events[~(theirs | nameless)]
