"""Pseudonyms that join but do not tell, texts without addresses, and viewers who are forgotten."""

import hashlib
import hmac

import pandas as pd
import pytest

from avrec_lib.behaviour.events import Event, to_frame
from avrec_lib.behaviour.privacy import forget, pseudonymise, scrub
from avrec_lib.data.clips import load_clips

KEY, OTHER = b"0123456789abcdef", b"fedcba9876543210"


def test_a_pseudonym_is_the_begin_of_the_keyed_hash():
    """RFC 4231, test case 2 (HMAC-SHA-256), whose key is too short for us, by the standard library; then ours."""
    message = b"what do ya want for nothing?"
    assert hmac.digest(b"Jefe", message, "sha256").hex().startswith("5bdcc146bf60754e6a042426089575c7")
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in KEY.ljust(64, b"\0")) + b"v1").digest()  # RFC 2104, section 2
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in KEY.ljust(64, b"\0")) + inner).hexdigest()
    assert pseudonymise(["v1"], KEY).tolist() == [outer[:32]]


def test_equal_ids_have_equal_pseudonyms_and_others_others():
    got = pseudonymise(["v1", "v2", "v1"], KEY)
    assert got[0] == got[2] != got[1]


def test_another_key_gives_another_pseudonym():
    assert not set(pseudonymise(["v1", "v2"], KEY)) & set(pseudonymise(["v1", "v2"], OTHER))


def test_missing_ids_stay_missing_and_index_and_name_stay():
    ids = pd.Series(["v1", None, "v1"], index=[4, 5, 6], name="user_id")
    got = pseudonymise(ids, KEY)
    assert got.isna().tolist() == [False, True, False]
    assert (got.name, got.index.tolist()) == ("user_id", [4, 5, 6])
    assert pseudonymise([], KEY).empty
    assert pseudonymise([None], KEY).isna().all()


def test_a_whole_log_keeps_its_sessions():
    log = load_clips().events
    hidden = pseudonymise(log["user_id"], KEY)
    assert hidden.nunique() == log["user_id"].nunique()
    assert (pd.factorize(hidden)[0] == pd.factorize(log["user_id"])[0]).all()


@pytest.mark.parametrize("key", [b"short", "0123456789abcdef", b""])
def test_a_weak_key_is_refused(key):
    with pytest.raises(ValueError, match="key must be at least 16 random bytes"):
        pseudonymise(["v1"], key)


def test_ids_that_are_numbers_are_refused():
    with pytest.raises(ValueError, match=r"an id must be text, not 7\.0"):
        pseudonymise(pd.Series([7.0, None]), KEY)


PHONES = [
    "13812345678", "138 1234 5678", "138-1234-5678", "+86 138 1234 5678", "+8613812345678", "0086-13812345678",
    "１３８１２３４５６７８", "010-65123456", "(010) 6512 3456", "（010）65123456", "0755-26012345", "0571 8765 4321",
    "021-6512345", "+86 10 6512 3456", "400-123-4567", "400 1234 567", "(212) 555-0142", "212-555-0142", "212.555.0142",
    "+1 212 555 0142", "1-212-555-0142", "+12125550142", "020 7946 0958", "(020) 7946 0958", "+44 20 7946 0958",
    "07700 900123", "07700900123", "+44 (0)20 7946 0958", "0161 496 0000", "01632 960001", "+49 30 901820",
    "+33 1 23 45 67 89", "+852 2345 6789",
]  # fmt: skip
EMAILS = [
    "ann@example.com",
    "a.b+c@mail.example.co.uk",
    "abc_123@qq.com",
    "ann＠163.com",
    "13812345678@163.com",
    "x@a-b.cn",
]
PLAIN = [
    "in 2026 it was 1080p", "2026-10-01 12:30:45", "00:12:34", "1,299,000 views", "12345678901234", "138123456789",
    "order 20261001123456", "1790812800", "v1.2.3", "3.14159265358979", "192.168.100.200", "3840x2160", "100 000 000",
    "第2026集 12分34秒", "978-7-111-12345-6", "BV1xx411c7mD", "1990 1995 2000", "666666666", "233333333333", "-273.15",
    "20:00-21:30", "1 000 000 000", "+100000 points", "007 1234", "@ann hello", "a@b", "5 @ 3.50", "好看", "",
]  # fmt: skip


@pytest.mark.parametrize("frame", ["{}", "write to {} today", "加我{}谢谢", "电话：{}。", "tel:{}, ok", "({})", "{}."])
def test_addresses_and_numbers_go_and_the_rest_stays(frame):
    for phone in PHONES:
        assert scrub(frame.format(phone)) == frame.format("[phone]")
    for email in EMAILS:
        assert scrub(frame.format(email)) == frame.format("[email]")
    for text in PLAIN:
        assert scrub(frame.format(text)) == frame.format(text)


def test_full_width_characters_around_a_number_stay():
    assert scrub("（好看！）１２３，打 138 1234 5678") == "（好看！）１２３，打 [phone]"


def test_several_in_one_text():
    assert scrub("a@b.com, c@d.cn or 13812345678") == "[email], [email] or [phone]"


def test_a_long_text_is_scrubbed_in_no_time():
    """A form with an ambiguous repetition would take hours."""
    for text in ("a" * 50_000, "a." * 50_000, "1 " * 50_000, "+1(2)" * 20_000, "a@" + "b." * 50_000):
        assert isinstance(scrub(text), str)


def test_no_comment_of_the_clips_changes():
    texts = load_clips().events["text"].dropna()
    assert (texts.map(scrub) == texts).all()


def test_scrub_takes_a_text_and_nothing_else():
    with pytest.raises(ValueError, match="scrub takes one text, not nan"):
        scrub(float("nan"))


def row(number, session, user):
    return Event(f"e{number}", session, user, "c1", "like", number, device="ios")


def test_a_forgotten_viewer_leaves_no_row():
    whose = [("s1", "ann"), ("s2", "bob"), ("s1", None), ("s3", "ann"), ("s3", "bob"), ("s3", None)]
    log = to_frame(row(i, *pair) for i, pair in enumerate([*whose, (None, None), (None, "ann")]))
    left = forget(log, "ann")
    assert left["event_id"].tolist() == ["e1", "e4", "e5", "e6"]  # s3 is shared, so nobody knows whose e5 is
    assert left.index.tolist() == [1, 4, 5, 6]
    pd.testing.assert_frame_equal(left, log.loc[left.index])


def test_a_viewer_is_forgotten_under_a_pseudonym():
    log = to_frame([row(0, "s1", "ann"), row(1, "s2", "bob")])
    hidden = log.assign(user_id=pseudonymise(log["user_id"], KEY))
    assert forget(hidden, pseudonymise(["ann"], KEY)[0])["event_id"].tolist() == ["e1"]
    with pytest.raises(ValueError, match="no row is of user 'ann', so none was deleted; is the table pseudonymised"):
        forget(hidden, "ann")
