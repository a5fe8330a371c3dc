"""Settings: what is typed comes back, and what can't be trained is refused by name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest
import yaml

from avrec_lib.multimodal.settings import Settings

ODD = Settings(text="none", picture="pixels", user="both", loss="softmax", lr=1e-5, patience=3, compile=True, seed=7)


def test_a_file_brings_back_every_value(tmp_path):
    for settings in (Settings(), ODD):
        settings.save(tmp_path / "s.yaml")
        assert Settings.load(tmp_path / "s.yaml") == settings
    assert [path.name for path in tmp_path.iterdir()] == ["s.yaml"]


def test_a_file_names_every_setting_in_the_order_of_the_class(tmp_path):
    ODD.save(tmp_path / "s.yaml")
    assert list(yaml.safe_load((tmp_path / "s.yaml").read_text())) == [field.name for field in fields(Settings)]


@pytest.mark.parametrize("content", ["", "# nothing but a remark\n"])
def test_what_a_file_does_not_name_keeps_its_default(tmp_path, content):
    path = tmp_path / "s.yaml"
    path.write_text(content)
    assert Settings.load(path) == Settings()
    path.write_text(content + "d: 64\npatience: null\n")
    assert Settings.load(path) == Settings(d=64)


@pytest.mark.parametrize("typed", ["1e-3", "1E-3", "1.0e-3", "0.001", ".001"])
def test_numbers_may_be_typed_as_people_type_them(tmp_path, typed):
    (tmp_path / "s.yaml").write_text(f"lr: {typed}\n")
    assert Settings.load(tmp_path / "s.yaml").lr == 0.001


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("learning_rate: 0.1", "there is no setting learning_rate; there are text, picture"),
        ("zz: 1\naa: 2", "there is no setting aa, zz;"),
        ("lr: fast", "lr must be a number, not 'fast'"),
        ("lr: '0.1.2'", "lr must be a number"),
        ("lr: true", "lr must be a number, not True"),
        ("lr: .nan", "lr must be a positive number, not nan"),
        ("lr: nan", "lr must be a"),
        ("epochs: 2.5", "epochs must be a whole number, not 2.5"),
        ("epochs: true", "epochs must be a whole number, not True"),
        ("epochs: '3'", "epochs must be a whole number, not '3'"),
        ("compile: 1", "compile must be true or false, not 1"),
        ("text: 3", "text must be one of"),
        ("text: poems", "text must be one of .*, not 'poems'"),
        ("patience: 2.0", "patience must be a whole number"),
        ("- lr", "must hold settings, a name and a value on each line"),
        ("lr", "must hold settings"),
        ("3: 4", "must hold settings"),
        ("lr: [", "is no YAML file"),
        ("lr: !!python/object/apply:os.getcwd []", "is no YAML file"),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_file_and_setting(tmp_path, content, told):
    path = tmp_path / "s.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=told) as error:
        Settings.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="is no YAML file"):
        Settings.load(tmp_path / "s.yaml")


def test_no_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        Settings.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"batch": -1}, "batch must be at least 1"),
        ({"accumulate": 0}, "accumulate must be at least 1"),
        ({"d": 0}, "d must be at least 1"),
        ({"patience": 0}, "patience must be at least 1, or left out"),
        ({"lr": 0}, "lr must be a positive number"),
        ({"lr": float("inf")}, "lr must be a positive number"),
        ({"clip": -1.0}, "clip must be a positive number"),
        ({"hide": 1.0}, "hide must be at least 0 and below 1"),
        ({"warmup": float("nan")}, "warmup must be at least 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0, and finite, not -0.1"),
        ({"weight_decay": float("inf")}, "weight_decay must be .* finite"),
        ({"workers": -1}, "workers must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"hot": 0.5}, "hot must be at least 1"),
        ({"hot": float("inf")}, "hot must be at least 1, and finite"),
        ({"text": "none", "picture": "none", "sound": "none"}, "all none; a clip needs at least one sense"),
        ({"user": "tastes", "loss": "pairwise"}, "set loss to pointwise"),
        ({"user": "nobody", "loss": "softmax"}, "user=nobody is the same for all"),
        ({"epochs": None}, "epochs must be a whole number"),
        ({"precision": "fp16"}, "precision must be one of fp32, tf32, bf16"),
    ],
)
def test_what_cannot_be_trained_is_refused(wrong, told):
    with pytest.raises(ValueError, match=told):
        Settings(**wrong)
    with pytest.raises(ValueError, match=told):
        Settings().but(**wrong)


def test_a_whole_number_will_do_for_a_number():
    assert Settings(lr=1, clip=2).lr == 1


def test_senses_are_those_that_are_read():
    assert ODD.senses == ("picture", "sound")


def test_but_changes_a_copy_and_checks_it():
    settings = Settings()
    assert settings.but(epochs=3).epochs == 3
    assert settings == Settings()
    with pytest.raises(FrozenInstanceError):
        settings.epochs = 3
    with pytest.raises(ValueError, match="there is no setting epoch; there are"):
        settings.but(epoch=3)


def test_the_documentation_names_every_setting():
    told = Settings.__doc__
    named = {name.strip() for line in told.splitlines() if " : " in line for name in line.split(" : ")[0].split(",")}
    assert named | {"seed"} == {field.name for field in fields(Settings)}
