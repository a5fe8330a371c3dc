"""MicroLens, on a small folder of the same format: the book has no copy of the data."""

import os
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from avrec_lib.content.audio import read_audio
from avrec_lib.content.errors import MediaError
from avrec_lib.content.image import colour_and_texture, read_image
from avrec_lib.data import leave_last_out, time_cut
from avrec_lib.data.microlens import load_microlens, main, summary
from avrec_lib.data.microlens_files import SUFFIXES

T = 1_583_378_629_552  # ms; in s it is 1,583,378,629, five in the morning of 5 March 2020
PAIRS = f"user,item,timestamp\n11,1,{T}\n11,2,{T + 1000}\n11,10,{T + 2000}\n9,1,{T + 500}\n9,10,{T - 86_400_000}\n"
TITLES = 'item,title\n1,"tea, milk # 奶茶"\n2,Who is Who? 😂\n10,say hi\n'


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture
def folder(tmp_path):
    """Return a folder like MicroLens-100k's: three items, two users, all kinds of media."""
    write(tmp_path, "MicroLens-100k_pairs.csv", PAIRS)
    write(tmp_path, "MicroLens-100k_title_en.csv", TITLES)
    write(tmp_path, "MicroLens-100k_likes_and_views.txt", "1\t10000\t364000\n2\t20000\t500000\n10\t30000\t93373000\n")
    write(tmp_path, "tags_to_summary.csv", "1,Delicacy\n2,Funny\n10,Anime\n")
    for kind in ("covers", "audio", "videos"):
        (tmp_path / f"MicroLens-100k_{kind}").mkdir()
    Image.new("RGB", (8, 6), (200, 30, 30)).save(tmp_path / "MicroLens-100k_covers/1.jpg")
    soundfile.write(tmp_path / "MicroLens-100k_audio/1.wav", np.zeros(500), 5000)
    write(tmp_path, "MicroLens-100k_videos/2.mp4", b"film")
    return tmp_path


def rows(data):
    return data.interactions.frame()[["user_id", "item_id", "timestamp"]].to_numpy().tolist()


def refusal(folder, kind=ValueError, **how):
    with pytest.raises(kind) as caught:
        load_microlens(folder, **how)
    return str(caught.value)


# --- interactions -----------------------------------------------------------------------------


def test_rows_keep_their_order_ids_stay_text_and_milliseconds_become_seconds(folder):
    data = load_microlens(folder)
    t = T // 1000
    assert rows(data) == [
        ["11", "1", t],
        ["11", "2", t + 1],
        ["11", "10", t + 2],
        ["9", "1", t + 1],
        ["9", "10", t - 86_400],
    ]
    assert data.interactions.values.tolist() == [1] * 5
    assert (data.interactions.item_ids.tolist(), data.interactions.user_ids.tolist()) == (["1", "2", "10"], ["9", "11"])
    assert not data.order_only


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("MicroLens-50k_pairs.csv", PAIRS),
        ("MicroLens-1M_pairs.csv", PAIRS.partition("\n")[2]),  # without a header
        ("10wu_ks_pairs.csv", PAIRS.replace("user,item", "userID,videoID")),  # the words of the read-me
        ("Pairs.CSV", PAIRS.replace("user,item", '"User","Item"')),
        ("MicroLens-100k_pairs.csv", "\ufeff" + PAIRS),
        ("MicroLens-100k_pairs.csv", PAIRS.replace("\n", "\r\n")),
        ("MicroLens-100k_pairs.csv", "\ufeff" + PAIRS.replace("\n", "\r\n") + "\r\n\r\n"),
        ("MicroLens-100k_pairs.csv", PAIRS.rstrip("\n")),
        ("MicroLens-100k_pairs.csv", PAIRS.replace(",", " , ")),
        ("MicroLens-100k_pairs.csv", PAIRS.replace("11,2,", '"11","2",')),
        ("MicroLens-100k_pairs.csv", PAIRS.replace(f"{T}", f"{T}.0")),  # a float, as pandas writes after a join
        ("MicroLens-100k_pairs.csv", "\n".join(f"{n},{line}" for n, line in enumerate(PAIRS.splitlines()))),
    ],
)
def test_variants_of_the_file_give_the_same_table(folder, name, content, tmp_path_factory):
    expected = rows(load_microlens(folder))
    other = tmp_path_factory.mktemp("other")
    write(other, name, content)
    assert rows(load_microlens(other)) == expected


def test_seconds_stay_seconds(tmp_path):
    write(tmp_path, "a_pairs.csv", "user,item,timestamp\n1,1,1583378629\n2,1,1583378629999\n")
    assert load_microlens(tmp_path).interactions.timestamps.tolist() == [1583378629, 1583378629]


def test_zeros_before_an_id_stay(tmp_path):
    write(tmp_path, "a_pairs.csv", "user,item,timestamp\n007,01,1\n7,1,2\n")
    assert rows(load_microlens(tmp_path)) == [["007", "01", 1], ["7", "1", 2]]


def test_of_a_repeated_pair_the_latest_row_counts_in_any_order_of_the_rows(folder):
    """Field case D5: never added up without a word."""
    write(folder, "MicroLens-100k_pairs.csv", f"user,item,timestamp\n1,1,{T + 5000}\n1,1,{T}\n2,2,{T}\n")
    data = load_microlens(folder)
    assert rows(data) == [["1", "1", T // 1000 + 5], ["2", "2", T // 1000]]
    assert data.interactions.n_merged == 1
    assert load_microlens(folder, duplicates="count").interactions.values.tolist() == [2, 1]
    assert "row 0 repeats a (user, item) pair" in refusal(folder, duplicates="error")


@pytest.mark.parametrize(
    "bad",
    [
        "9,1",  # cut off
        "9,1,1583378629552,7",
        "9,,1583378629552",
        " ,1,1583378629552",
        "9,1,",
        "9,1,yesterday",
        "9,1,nan",
        "9,1,inf",
        "9,1,-5",
        "9,1,1_583",
        "9,1,1583378629552000",  # microseconds
        '"9,1,1583378629552',
    ],
)
def test_a_malformed_row_is_named_by_its_line(folder, bad):
    write(folder, "MicroLens-100k_pairs.csv", PAIRS.replace("9,1,", f"{bad}\n9,1,"))
    message = refusal(folder)
    assert "MicroLens-100k_pairs.csv, line 5: expected 3 fields" in message
    assert repr(bad) in message


def test_a_malformed_row_without_a_header_is_named_by_its_line(folder):
    write(folder, "MicroLens-100k_pairs.csv", PAIRS.partition("\n")[2] + "9,1\n")
    assert "line 6: " in refusal(folder)


def test_bytes_that_are_no_utf8_are_named_by_their_line(folder):
    write(folder, "MicroLens-100k_pairs.csv", PAIRS.encode() + b"9,\xff,1583378629552\n")
    assert "line 7: no UTF-8" in refusal(folder)
    write(folder, "MicroLens-100k_pairs.csv", PAIRS)
    write(folder, "MicroLens-100k_title_en.csv", "1,奶茶\n2,奶茶\n".encode("gb18030"))
    assert "title_en.csv, line 1: no UTF-8" in refusal(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty (0 bytes)"),
        ("user,item,timestamp\n", "has 0 rows"),
        ("user,item\n1,2\n", "begins with 'user,item', where the header user,item,timestamp"),
        ("user,userid,item,timestamp\n1,1,2,3\n", "begins with 'user,userid"),
        ("1,2\n", "begins with '1,2'"),
        ("a,b,c\n1,2,3\n", "line 1: expected 3 fields"),
        ("user,item,timestamp,x\n1,2,3\n", "line 2: expected 4 fields"),
    ],
)
def test_a_table_without_rows_or_columns_is_refused(folder, content, message):
    """Field case D10."""
    write(folder, "MicroLens-100k_pairs.csv", content)
    assert message in refusal(folder)


# --- sequences --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["8\t5 7 6\n3\t7 5\n", "\ufeff8\t5 7 6 \r\n3\t7 5\r\n", "user\titem\n8\t5 7  6\n3\t7 5"]
)
def test_sequences_give_rows_whose_time_is_their_place(tmp_path, content):
    write(tmp_path, "MicroLens-1M_pairs.tsv", content)
    data = load_microlens(tmp_path)
    assert rows(data) == [["8", "5", 0], ["8", "7", 1], ["8", "6", 2], ["3", "7", 0], ["3", "5", 1]]
    assert data.order_only
    assert "no times" in summary(data)


def test_both_files_hold_out_the_same_last_row(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write(other, "MicroLens-100k_pairs.tsv", "11\t1 2 10\n9\t10 1\n")
    held_out = [leave_last_out(load_microlens(f).interactions).test.frame() for f in (folder, other)]
    assert {tuple(row[:2]) for row in held_out[0].to_numpy().tolist()} == {("11", "10"), ("9", "1")}
    assert held_out[0][["user_id", "item_id"]].equals(held_out[1][["user_id", "item_id"]])


def test_the_file_with_times_goes_first(folder):
    write(folder, "MicroLens-100k_pairs.tsv", "8\t5 7 6\n")
    data = load_microlens(folder)
    assert not data.order_only
    assert len(time_cut(data.interactions, 0.25).test) == 1


@pytest.mark.parametrize("bad", ["3", "3 4", "3\t", "\t4", "3\t4\t5", " \t4"])
def test_a_malformed_sequence_is_named_by_its_line(tmp_path, bad):
    write(tmp_path, "MicroLens-1M_pairs.tsv", f"8\t5 7\n{bad}\n9\t5\n")
    assert "MicroLens-1M_pairs.tsv, line 2: expected a user, a tab" in refusal(tmp_path)


def test_a_file_that_fails_although_every_line_is_good_says_why(tmp_path):
    write(tmp_path, "MicroLens-1M_pairs.tsv", "8\t" + "5 " * 2_000_000 + "\n9\t5\n")
    assert "cannot be read: straddling object" in refusal(tmp_path)


# --- items ------------------------------------------------------------------------------------


def test_items_have_the_order_of_the_indices(folder):
    items = load_microlens(folder).items
    assert items.to_dict("list") == {
        "item_id": ["1", "2", "10"],
        "title": ["tea, milk # 奶茶", "Who is Who? 😂", "say hi"],
        "likes": [10_000, 20_000, 30_000],
        "views": [364_000, 500_000, 93_373_000],
        "category": ["Delicacy", "Funny", "Anime"],
    }


@pytest.mark.parametrize("ending", ["title_en.csv", "titles.csv", "title.csv", "Titles_EN.csv"])
def test_names_of_the_title_file(folder, ending):
    (folder / "MicroLens-100k_title_en.csv").unlink()
    write(folder, f"MicroLens-100k_{ending}", TITLES)
    assert load_microlens(folder).items["title"].tolist()[2] == "say hi"


@pytest.mark.parametrize(
    ("lines", "titles"),
    [
        ('1,tea, milk, sugar\n2,"tea, milk"\n', ["tea, milk, sugar", "tea, milk", ""]),  # not quoted, and quoted
        ('1,"Say ""Hi"" now"\n2,"Hi" he said "bye"\n', ['Say "Hi" now', '"Hi" he said "bye"', ""]),
        ('1,"Half quote\n2,Plain\n10,Third\n', ['"Half quote', "Plain", "Third"]),  # swallows nothing
        ('1,5" disc\n2,end"\n10,"\n', ['5" disc', 'end"', '"']),
        ('1,"two\nlines, and\n\nmore"\n2,b\n', ["two lines, and  more", "b", ""]),
        ('1,"open to the end\n2,b\n10,"open\n\n', ['"open to the end', "b", '"open']),
        ('"1","a"\n"2" , b \n', ["a", "b", ""]),
        ("1,\n2,b\n", ["", "b", ""]),  # blank, and no line at all for item 10
        ("1,a\u2028b\u0085c\n2,😂🤣 꼭 日本\n", ["a\u2028b\u0085c", "😂🤣 꼭 日本", ""]),
        ("99,unknown\n2,b\n", ["", "b", ""]),  # an item that nobody commented on
        ("\ufeffitem,title\r\n1,a\r\n\r\n2,b\r\n", ["a", "b", ""]),
        ("\ufeff1,a\r\n2,b", ["a", "b", ""]),
        ("1,NA\n2,null\n10,nan\n", ["NA", "null", "nan"]),
    ],
)
def test_titles_are_read_as_they_stand(folder, lines, titles):
    """Field cases D2 and D3, and a published file whose quotation marks do not balance."""
    write(folder, "MicroLens-100k_title_en.csv", lines)
    assert load_microlens(folder).items["title"].tolist() == titles


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("MicroLens-100k_title_en.csv", "1,a\nno number\n", "title_en.csv, line 2: expected item,title"),
        ("MicroLens-100k_title_en.csv", "1,a\n1,b\n", "line 2: item '1' comes twice"),
        ("MicroLens-100k_title_en.csv", "1\n", "line 1: expected item,title"),
        ("tags_to_summary.csv", "1,Funny\n2;Anime\n", "tags_to_summary.csv, line 2: expected item,category"),
        ("MicroLens-100k_likes_and_views.txt", "1\t2\t3\n2\t4\n", "line 2: expected item, likes and views"),
        ("MicroLens-100k_likes_and_views.txt", "1\t1.2万\t3\n", "line 1: expected item, likes and views"),
        ("MicroLens-100k_likes_and_views.txt", "1\t2\t3\n1\t2\t3\n", "line 2: item '1' comes twice"),
    ],
)
def test_a_malformed_line_about_an_item_is_named(folder, name, lines, message):
    write(folder, name, lines)
    assert message in refusal(folder)


@pytest.mark.parametrize("lines", ["1\t2\t3\r\n", "videoID,likes,views\n1,2,3\n", "\ufeff1 2 3\n"])
def test_likes_and_views_may_be_separated_by_anything_and_be_missing(folder, lines):
    write(folder, "MicroLens-100k_likes_and_views.txt", lines)
    items = load_microlens(folder).items
    assert items["likes"].fillna(-1).tolist() == [2, -1, -1]
    assert items["views"].fillna(-1).tolist() == [3, -1, -1]


def test_interactions_alone_are_enough(tmp_path):
    write(tmp_path, "MicroLens-100k_pairs.csv", PAIRS)
    data = load_microlens(str(tmp_path))
    assert data.items["title"].tolist() == ["", "", ""]
    assert data.items["likes"].isna().all()
    assert data.cover(1) is data.audio(1) is data.video(1) is None


# --- media ------------------------------------------------------------------------------------


def test_media_are_found_and_can_be_read(folder):
    data = load_microlens(folder)
    assert read_image(data.cover("1")).shape == (6, 8, 3)
    assert read_audio(data.audio(1), 5000).shape == (500,)
    assert data.video(2) == folder / "MicroLens-100k_videos/2.mp4"


def test_an_item_without_a_medium_has_none_and_is_listed(folder):
    data = load_microlens(folder)
    assert data.cover(2) is data.cover("10") is data.audio("2") is data.video(1) is None
    assert data.without("cover") == ["2", "10"]
    assert [len(data.without(kind)) for kind in SUFFIXES] == [2, 2, 2]


def test_an_item_that_does_not_exist_is_refused(folder):
    with pytest.raises(KeyError, match="unknown item '99': not among the 3 items"):
        load_microlens(folder).cover("99")


def test_loading_opens_no_medium(folder):
    write(folder, "MicroLens-100k_covers/2.jpg", b"no picture")
    data = load_microlens(folder)
    with pytest.raises(MediaError, match=r"2\.jpg is no picture"):
        read_image(data.cover(2))


@pytest.mark.parametrize(
    "name",
    [
        "covers/2.jpg",
        "MicroLens-100k_covers/MicroLens-100k_covers/2.jpg",
        "Covers/2.JPG",
        "MicroLens-100k_covers_Part_1/deeper/2.jpeg",
        "cover/2.png",
    ],
)
def test_media_may_lie_deeper_and_be_called_otherwise(folder, name):
    path = write(folder, name, b"picture")
    assert load_microlens(folder).cover(2) == path


@pytest.mark.parametrize(
    "name",
    [
        "MicroLens-100k_covers/2.txt",
        "MicroLens-100k_covers/._2.jpg",  # what macOS leaves
        "MicroLens-100k_covers/2.jpg.part",
        "MicroLens-100k_frames_interval_1_number_5/2.jpg",
        "thumbnails/2.jpg",
        "2.jpg",
    ],
)
def test_other_files_are_no_covers(folder, name):
    write(folder, name, b"picture")
    assert load_microlens(folder).cover(2) is None


def test_a_file_of_zero_bytes_is_missing(folder):
    write(folder, "MicroLens-100k_covers/2.jpg", b"")
    assert load_microlens(folder).cover(2) is None


def test_of_two_files_the_first_kind_counts(folder):
    write(folder, "MicroLens-100k_covers/1.png", b"picture")
    write(folder, "MicroLens-100k_audio/1.mp3", b"sound")
    write(folder, "old_covers/1.jpg", b"picture")
    data = load_microlens(folder)
    assert data.audio(1).name == "1.wav"
    assert data.cover(1) == folder / "MicroLens-100k_covers/1.jpg"  # of two folders, the first in the alphabet


# --- folders ----------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_a_file_is_refused(folder):
    assert "there is no folder" in refusal(folder / "nowhere", FileNotFoundError)
    assert "is a file; name the folder" in refusal(folder / "tags_to_summary.csv")


def test_a_folder_without_pairs_says_what_was_looked_for_and_what_is_there(tmp_path):
    assert "it holds nothing. data/cards/microlens.md" in refusal(tmp_path, FileNotFoundError)
    for name in "abcdef":
        write(tmp_path, f"{name}.zip", "")
    write(tmp_path, "._MicroLens-100k_pairs.csv", PAIRS)
    (tmp_path / "z_pairs.csv").mkdir()
    message = refusal(tmp_path, FileNotFoundError)
    assert "MicroLens-50k_pairs.csv, MicroLens-100k_pairs.csv, MicroLens-1M_pairs.csv" in message
    assert "a.zip" in message
    assert "…" in message


def test_a_folder_above_the_right_one_names_it(tmp_path):
    write(tmp_path, "MicroLens-100k-Dataset/MicroLens-100k_pairs.csv", PAIRS)
    assert "Name its folder 'MicroLens-100k-Dataset' instead" in refusal(tmp_path, FileNotFoundError)


def test_two_sizes_in_one_folder_are_refused(folder):
    write(folder, "MicroLens-50k_pairs.csv", PAIRS)
    assert "MicroLens-100k_pairs.csv and MicroLens-50k_pairs.csv; give each size" in refusal(folder)


# --- the summary ------------------------------------------------------------------------------


def test_the_summary_counts_and_names_what_is_missing(folder):
    (folder / "MicroLens-100k_videos/2.mp4").unlink()
    write(folder, "MicroLens-100k_videos.zip", b"packed")
    write(folder, "MicroLens-100k_title_en.csv", "1,a\n2,b\n")
    (folder / "MicroLens-100k_audio/1.wav").rename(folder / "MicroLens-100k_audio/0.wav")
    assert summary(load_microlens(folder)).splitlines() == [
        "5 interactions of 2 users with 3 items (0 repeated rows merged)",
        "from 2020-03-04T03:23:49 to 2020-03-05T03:23:51 (UTC)",
        "rows of a user: 2 to 3, median 2.5",
        "rows of an item: 1 to 2, median 2",
        "title    for 2 of 3 items; none for 10",
        "likes    for 3 of 3 items",
        "views    for 3 of 3 items",
        "category for 3 of 3 items",
        "cover    for 1 of 3 items; none for 2, 10",
        "audio    for 0 of 3 items; 1 files are called after other items: fetch the ones of this size",
        "video    for 0 of 3 items; MicroLens-100k_videos.zip is still packed: unpack it here",
    ]


def test_the_command_prints_the_summary(folder, capsys):
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == summary(load_microlens(folder)) + "\n"


def test_the_command_names_what_is_wrong(folder, capsys):
    assert main([str(folder / "nowhere")]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("microlens: there is no folder")


def test_the_help_shows_an_example(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Example: python -m avrec_lib.data.microlens MicroLens-100k" in capsys.readouterr().out


def test_it_runs_as_a_module(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["microlens", os.fspath(folder)])
    monkeypatch.delitem(sys.modules, "avrec_lib.data.microlens")
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("avrec_lib.data.microlens", run_name="__main__")
    assert caught.value.code == 0
    assert "5 interactions" in capsys.readouterr().out


# --- the card ---------------------------------------------------------------------------------

CARD = (Path(__file__).parents[2] / "data" / "cards" / "microlens.md").read_text("utf-8")


class SmallEncoder:
    def encode(self, pictures):
        return np.stack([colour_and_texture(picture) for picture in pictures])


@pytest.mark.parametrize("program", re.findall(r"```python\n(.*?)```", CARD, re.DOTALL), ids=["SASRec", "covers"])
def test_the_programs_of_the_card_run(program, tmp_path, monkeypatch, capsys):
    """On twelve users and eight videos, one of them without a cover and one with a damaged one; for one epoch."""
    pairs = [f"{u},{1 + (u + n) % 8},{T + 1000 * (n + u)}" for u in range(1, 13) for n in range(5)]
    write(tmp_path, "MicroLens-100k/MicroLens-100k_pairs.csv", "\n".join(["user,item,timestamp", *pairs]))
    write(tmp_path, "MicroLens-100k/MicroLens-100k_covers/1.jpg", b"no picture")
    for item in range(2, 8):
        Image.new("RGB", (8, 8), (30 * item, 0, 90)).save(tmp_path / f"MicroLens-100k/MicroLens-100k_covers/{item}.jpg")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("avrec_lib.content.image_encoders.ImageEncoder", SmallEncoder)
    exec(program.replace("epochs=50", "epochs=1").replace("batch=512", "batch=4"), {})
    printed = capsys.readouterr().out
    assert re.search(r"NDCG@10 +0\.\d+ .* 12 ", printed)
    assert ("1.jpg" in printed) == ("faults" in program)
