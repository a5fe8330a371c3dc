"""`avrec train`, `evaluate`, `recommend`, `export` and `bench`: from nothing to a list, and one line for a fault."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from avrec_lib import cli
from avrec_lib.data.clips import load_clips
from avrec_lib.multimodal import commands, dataset, exported, frozen, run_folders, runs, sizes
from avrec_lib.multimodal.onnx_files import run_onnx
from avrec_lib.multimodal.serving import Recommendation, Service
from avrec_lib.multimodal.settings import Settings

ROOT = Path(__file__).parents[2]
WORDS = ["tea", "milk", "goal", "kick", "cat", "dog", "rain", "snow", "song", "dance"]
SMALL = ["--set", "text=words", "--set", "picture=none", "--set", "tokens=4", "--set", "d=6", "--set", "user=history"]
SMALL += ["--set", "loss=softmax", "--set", "epochs=2", "--set", "sound=none", "--set", "patience=null"]


@pytest.fixture
def few_clips(monkeypatch):
    """The book's clips with the impressions of the first 40 viewers, and of the clips the covers alone are read."""
    clips = load_clips()
    shown = clips.impressions[clips.impressions["user"] < 40]
    few = dataclasses.replace(clips, impressions=shown, viewers=clips.viewers.head(40))
    monkeypatch.setattr(dataset, "load_clips", lambda: few)


@pytest.fixture(scope="module")
def microlens(tmp_path_factory):
    """A folder like MicroLens-100k's: 12 videos with titles and covers, 20 users with 4 each, times in ms."""
    folder = tmp_path_factory.mktemp("data") / "MicroLens-100k"
    (folder / "MicroLens-100k_covers").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = [(u, i, 1_583_378_629_552 + 1000 * int(t)) for u in range(1, 21) for t, i in zip(
        rng.permutation(10**6)[:4], 1 + rng.permutation(12)[:4], strict=True)]  # fmt: skip
    (folder / "MicroLens-100k_pairs.csv").write_text(
        "user,item,timestamp\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows)
    )
    titles = [f"{i},{' '.join(rng.choice(WORDS, 3))}\n" for i in range(1, 12)] + ["12,\n"]
    (folder / "MicroLens-100k_title_en.csv").write_text("".join(titles))
    for i in range(1, 12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
            folder / f"MicroLens-100k_covers/{i}.jpg"
        )
    return folder


@pytest.fixture(scope="module")
def trained(microlens, tmp_path_factory):
    """The folder of a run on the small MicroLens folder."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert cli.main(["train", "--data", str(microlens), "--folder", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture
def said(capsys):
    """Run a command; return its status, and what it printed on stdout and on stderr."""

    def told(*arguments):
        status = cli.main(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return told


# --- what is typed ----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["train", "evaluate", "recommend", "export", "bench"])
def test_help_shows_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert f"Example: avrec {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--set", "lr"], "'lr' is no setting; write it as lr=0.01"),
        (["train", "--set", "lr=["], "'[' is no value"),
        (["recommend", "-k", "0"], "'0' is no whole number of at least 1"),
        (["bench", "--size", "huge"], "invalid choice"),
    ],
)
def test_wrong_usage_is_status_2(arguments, told, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lr=0.01", ("lr", 0.01)),
        ("lr=1e-3", ("lr", 0.001)),
        ("epochs=3", ("epochs", 3)),
        ("compile=true", ("compile", True)),
        ("patience=null", ("patience", None)),
        ("text=minilm-tuned", ("text", "minilm-tuned")),
    ],
)
def test_a_setting_is_typed_as_in_yaml(text, expected):
    assert commands._change(text) == expected


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--set", "speed=1"], "there is no setting speed"),
        (["train", "--set", "lr=fast"], "lr must be a number, not 'fast'"),
        (["train", "--set", "epochs=1.5"], "epochs must be a whole number, not 1.5"),
        (["train", "--settings", "nowhere.yaml"], "nowhere.yaml: No such file or directory."),
        (
            ["train", "--data", "nowhere", "--set", "user=history", "--set", "loss=softmax"],
            "there is no folder nowhere",
        ),
        (["train", "--data", "nowhere"], "set user: history, loss: softmax"),
        (["evaluate", "--folder", "nowhere"], "nowhere holds no finished run; make one with: avrec train"),
        (["recommend", "--folder", "nowhere"], "nowhere holds no finished run"),
        (["export", "--folder", "nowhere"], "nowhere holds no finished run"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_leaves_nothing_behind(arguments, told, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, _, error = said(*arguments)
    assert status == 1
    assert error.startswith(f"avrec {arguments[0]}: ")
    assert told in error
    assert error.count("\n") == 1
    assert not any(tmp_path.iterdir())


# --- from nothing to a list -------------------------------------------------------------------


def test_each_command_works_without_an_argument_and_with_no_run_there(few_clips, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = Settings(text="none", sound="none", epochs=2)
    monkeypatch.setattr("avrec_lib.multimodal.settings.Settings", lambda: settings)
    status, out, _ = said("evaluate")
    assert status == 0
    assert out.startswith("runs/clips holds no finished run yet; training it first.\nTraining on clips: ")
    assert "seen clips  new clips" in out
    assert "way AUC" in out
    status, again, _ = said("evaluate")
    assert status == 0
    assert "training" not in again.lower().replace("after its training", "")
    assert out.split("\n\n")[1] == again.split("\n\n")[0].strip("\n")  # the same table, from the files
    assert said("recommend")[0] == 0
    assert (tmp_path / "runs/clips/data.txt").read_text() == "clips"


def test_train_prints_both_tests_and_where_the_run_is(few_clips, said, tmp_path):
    short = ["--set", "text=none", "--set", "sound=none", "--set", "epochs=1"]
    status, out, error = said("train", "--folder", tmp_path / "run", *short)
    assert (status, error) == (0, "")
    for told in ("seen clips", "new clips", "NDCG@10", "1 epochs", f"Written to {tmp_path / 'run'}: model.safetensors"):
        assert told in out
    assert Settings.load(tmp_path / "run" / "settings.yaml") == Settings(text="none", sound="none", epochs=1)
    status, _, error = said("train", "--folder", tmp_path / "run", *short[:4], "--set", "epochs=2")
    assert status == 1
    assert "of another run (epochs was 1 and is 2); add --fresh to start again" in error
    status, out, _ = said("train", "--folder", tmp_path / "run", *short[:4], "--set", "epochs=2", "--fresh")
    assert status == 0
    assert "2 epochs" in out


def test_a_finished_run_is_not_trained_again(microlens, trained, said):
    before = (trained / "model.safetensors").read_bytes()
    status, out, _ = said("train", "--data", microlens, "--folder", trained, *SMALL)
    assert status == 0
    assert "holds a finished run; --fresh would train it anew" in out
    assert (trained / "model.safetensors").read_bytes() == before


def test_without_refusals_a_run_is_judged_by_ranks_among_all(microlens, trained, said):
    status, out, _ = said("evaluate", "--folder", trained)  # which data, the folder remembers
    assert status == 0
    assert "HR@10" in out
    assert "AUC" not in out
    assert "among all of the 12" in out
    run = runs.load(trained)
    data = dataset.load_dataset(microlens, run.settings)
    table, tables = runs.evaluate(run, data), runs.serving_tables(run, data)
    for name, log in data.tests.items():
        places = []
        for user, item in zip(log["user"], log["item"], strict=True):
            scores = tables.items @ tables.users[user]
            met = set(data.train["item"][data.train["user"] == user])
            places.append(1 + sum(scores[j] >= scores[item] for j in range(12) if j != item and j not in met))
        found = np.array(places)
        assert table.loc[name, "HR@10"] == np.mean(found <= 10)
        assert table.loc[name, "NDCG@10"] == pytest.approx(np.mean((found <= 10) / np.log2(found + 1)))


def test_other_data_than_the_run_s_is_refused(few_clips, trained, said):
    status, _, error = said("evaluate", "--folder", trained, "--data", "clips")
    assert status == 1
    assert "MicroLens" in error or "name the data of the run with --data" in error
    assert error.count("\n") == 1


# --- lists ------------------------------------------------------------------------------------


def test_a_list_is_the_service_s_with_titles_and_reasons(trained, said):
    status, out, _ = said("recommend", "7", "-k", "3", "--folder", trained)
    assert status == 0
    expected = Service.load(trained / "export").recommend("7", 3)
    lines = out.splitlines()
    assert lines[0] == "For 7, who has clicked 3 clips:"
    assert len(lines) == 1 + 2 * 3
    for place, (line, reason) in enumerate(zip(lines[1::2], lines[2::2], strict=True), start=1):
        found = expected[place - 1]
        assert line.startswith(f"{place:3}. ")
        assert line.endswith(f"({found.item_id})")  # of a softmax there is no chance to tell
        assert reason.strip().startswith(f"score {found.score:.2f}: text ")
    assert any(word in out for word in WORDS)


def test_a_list_for_a_stranger_names_no_click(trained, said):
    status, out, _ = said("recommend", "--folder", trained)
    assert status == 0
    assert out.startswith("For a stranger, of whom nothing is known:\n")
    assert "clicked" not in out.partition("\n")[2]


def test_an_unknown_viewer_is_one_line_that_says_who_there_is(trained, said):
    status, out, error = said("recommend", "nobody", "--folder", trained)
    assert (status, out) == (1, "")
    assert "no viewer has the id 'nobody'; there are 20, from 1 to 20" in error
    assert error.count("\n") == 1


def test_tables_that_are_older_than_the_run_or_damaged_are_made_again(trained, said):
    assert said("recommend", "--folder", trained)[0] == 0
    index = trained / "export" / "serving.json"
    first = index.stat().st_mtime_ns
    said("recommend", "--folder", trained)
    assert index.stat().st_mtime_ns == first
    os.utime(trained / "run.json")
    said("recommend", "--folder", trained)
    second = index.stat().st_mtime_ns
    assert second > first
    index.write_text("{")
    assert said("recommend", "--folder", trained)[0] == 0
    assert Service.load(trained / "export").recommend(None)


def test_a_reason_tells_what_each_sense_adds_the_most_helpful_first():
    found = Recommendation("a", 0.0, 0.5, {"text": -np.log(3), "picture": np.log(3)}, "b")
    assert commands.reason(found, {"b": "Tea"}) == (
        "score 0.00: picture +1.10, text -1.10; most like “Tea”, which they clicked."
    )
    assert commands.reason(found._replace(because=None, senses={}), {}) == "score 0.00."


# --- files that serve -------------------------------------------------------------------------


@pytest.fixture
def with_onnx():
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package, reason="the export needs ONNX, an extra: avrec-lib[project]")


def test_export_writes_what_computes_the_same_vectors(with_onnx, microlens, trained, said):
    status, out, _ = said("export", "--folder", trained)
    assert status == 0
    for name in ("tables (*.npy, *.json)", "items.faiss", "item_tower.onnx", "viewer_tower.onnx"):
        assert name in out
    tables = Service.load(trained / "export").tables
    data = dataset.load_dataset(microlens, runs.load(trained).settings)
    arrays, there = data.inputs.of(np.arange(12))
    told = run_onnx(trained / "export" / "item_tower.onnx", {"text": arrays["text"].numpy(), "there": there.numpy()})
    np.testing.assert_allclose(told["items"], tables.items, rtol=0, atol=1e-5)
    np.testing.assert_allclose(told["g"], tables.g, rtol=0, atol=1e-5)


def test_export_of_tastes_takes_what_the_impressions_say(with_onnx, few_clips, tmp_path):
    settings = Settings(text="none", sound="none", epochs=1)
    data = dataset.load_dataset("clips", settings)
    table = exported.export_run(runs.train(data, settings), data, tmp_path)
    assert (table["difference"] < 1e-4).all()
    assert (table["MB"] > 0).all()
    tables = Service.load(tmp_path).tables
    told = run_onnx(tmp_path / "viewer_tower.onnx", {"evidence": np.asarray(tables.evidence)})["vectors"]
    np.testing.assert_allclose(told, tables.users[:-1], rtol=0, atol=1e-5)


def test_a_file_that_differs_from_the_model_is_refused(with_onnx, microlens, trained, monkeypatch, tmp_path):
    run = runs.load(trained)
    monkeypatch.setattr(exported, "largest_products", lambda v, q, k: (None, np.zeros((len(q), k))))
    with pytest.raises(ValueError, match=r"items\.faiss differs from the model by"):
        exported.export_run(run, dataset.load_dataset(microlens, run.settings), tmp_path)


def test_bench_prints_the_speeds_and_how_long_a_list_takes(said, trained, monkeypatch, tmp_path):
    asked = {}

    def bench(**how):
        asked.update(how)
        return pd.DataFrame({"work": ["training"], "clips_per_second": [12345.0], "operators": ["aten::mm 10%"]})

    monkeypatch.setitem(sys.modules, "avrec_lib.multimodal.speed", types.SimpleNamespace(bench=bench))
    monkeypatch.chdir(tmp_path)
    status, out, _ = said("bench", "--seconds", "3")
    assert status == 0
    assert "training" in out
    assert "clips_per_second" in out
    assert "are not there yet; avrec train makes the run" in out
    assert asked == {"size": "small", "seconds": 3}
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/clips").symlink_to(trained)
    told = re.search(r"p50 ([\d.]+) ms, p99 ([\d.]+) ms", said("bench")[1])
    assert 0 < float(told[1]) <= float(told[2])


def test_bench_knows_every_size():
    assert set(commands.SIZES) == sizes.SIZES.keys()


# --- settings files ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((ROOT / "data/settings").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_settings_file_is_valid_and_says_what_it_is_for(path):
    Settings.load(path)
    assert path.read_text("utf-8").startswith("# For ")


def test_there_are_settings_for_a_laptop_a_gpu_and_microlens():
    assert {path.stem for path in (ROOT / "data/settings").glob("*.yaml")} == {"laptop", "gpu", "microlens"}
    assert Settings.load(ROOT / "data/settings/laptop.yaml") == Settings()


class SmallEncoder:
    """Stands for MiniLM and EfficientNet, whose weights need not be here: numbers that depend on the input."""

    def encode(self, batch):
        size = 384 if isinstance(batch[0], str) else 1280
        seeds = [sum(x.encode()) if isinstance(x, str) else int(np.asarray(x).sum()) for x in batch]
        return np.stack([np.random.default_rng(s).normal(size=size) for s in seeds]).astype(np.float32)


def test_the_microlens_settings_train_on_a_small_folder_of_the_format(microlens, said, monkeypatch, tmp_path):
    monkeypatch.setattr(frozen, "_sentences", SmallEncoder)
    monkeypatch.setattr(frozen, "_pictures", SmallEncoder)
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path / "cache"))  # these vectors are nobody else's
    monkeypatch.chdir(tmp_path)
    settings = ROOT / "data/settings/microlens.yaml"
    quick = ["--set", "workers=0", "--set", "epochs=2"]
    status, out, _ = said("train", "--data", microlens, "--settings", settings, *quick)
    assert status == 0
    assert "HR@10" in out
    assert (tmp_path / "runs/MicroLens-100k/model.safetensors").is_file()
    assert said("recommend", "3", "-k", "2", "--data", microlens)[0] == 0


# --- stopped, and many processes --------------------------------------------------------------


def test_an_interrupt_before_the_training_says_to_run_it_again(said, monkeypatch, tmp_path):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(dataset, "load_dataset", interrupted)
    status, _, error = said("train", "--folder", tmp_path)
    assert (status, error) == (130, "avrec train: interrupted; run the same command again.\n")


def started(command, folder, **place):
    environment = (
        os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"} | place
    )
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(microlens, tmp_path):
    command = [sys.executable, "-m", "avrec_lib.multimodal.commands", "train", "--data", str(microlens), *SMALL]
    command += ["--set", "epochs=100000", "--fresh"]
    process = started(command, tmp_path)
    log, until = tmp_path / "runs/MicroLens-100k/log.csv", time.monotonic() + 60
    try:
        while not (log.is_file() and log.read_text().count("\n") > 2) and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "avrec train: training was interrupted after step" in error
    assert "run the same command again, without --fresh, and it goes on from step" in error
    assert "Traceback" not in error


def test_two_processes_of_torchrun_train_one_run_and_one_of_them_speaks(microlens, said, tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "avrec_lib.multimodal.commands", "train", "--data", str(microlens), "--folder", "two", *SMALL]
    process = started(command, tmp_path)
    try:
        out, error = process.communicate(timeout=120)
    finally:
        process.terminate()
    assert process.returncode == 0, error[-3000:]
    assert out.count("Training on microlens") == out.count("Written to two") == out.count("HR@10") == 1
    assert not list(tmp_path.rglob("*.part"))
    status, again, _ = said("evaluate", "--folder", tmp_path / "two")
    assert status == 0
    assert out.split("\n\n")[1] == again.split("\n\n")[0].strip("\n")


def test_only_training_runs_in_several_processes(said, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert said("export") == (1, "", "avrec export (process 1): only train runs in several processes; start this command without torchrun.\n")  # fmt: skip  # noqa: E501


def test_a_list_from_tables_that_are_there_needs_no_pytorch(trained):
    run_folders.tables_of(trained, None)
    code = (
        "import sys; from avrec_lib import cli; "
        f"status = cli.main(['recommend', '--folder', {str(trained)!r}]); "
        "print(status, {'torch', 'tensorflow', 'sklearn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 set()"
