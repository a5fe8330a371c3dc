import json
import shutil
import sys

import numpy as np
import pytest
import torch
import transformers

from avrec_lib.content import language_weights
from avrec_lib.content.errors import MediaError
from avrec_lib.content.language_weights import RECORD, unpacked, without_loading_bars
from avrec_lib.data import assets


def test_the_unpacked_weights_are_what_gguf_itself_makes_of_the_file():
    import gguf
    from safetensors import safe_open

    source = next(assets.fetch("smollm2-135m").glob("*.gguf"))
    packed = {t.name: t for t in gguf.GGUFReader(source).tensors}
    names = {
        "blk.0.ffn_down.weight": "model.layers.0.mlp.down_proj.weight",
        "blk.29.attn_v.weight": "model.layers.29.self_attn.v_proj.weight",
        "output_norm.weight": "model.norm.weight",
    }
    with safe_open(unpacked() / "model.safetensors", framework="np") as weights:
        for theirs, ours in names.items():
            tensor = packed[theirs]
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(weights.get_tensor(ours), values)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of its own, with a 4-bit file that nothing reads."""
    source = tmp_path / "smollm2-135m" / "source"
    source.mkdir(parents=True)
    (source / "model.gguf").touch()
    monkeypatch.setenv("AVREC_CACHE", str(tmp_path))
    monkeypatch.setattr(language_weights, "fetch", lambda _: source)
    return tmp_path


@pytest.fixture
def tiny(monkeypatch):
    """What transformers makes of the 4-bit file here: a model of one layer, and a word as its tokenizer."""
    config = transformers.LlamaConfig(
        vocab_size=9, hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, tie_word_embeddings=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config)
    model.config.quantization_config = {"quant_method": "gguf"}

    class Tokenizer:
        def save_pretrained(self, folder):
            (folder / "tokenizer.json").write_text("{}")

    def load(*_, gguf_file, **__):
        assert gguf_file == "model.gguf"
        print("a bar without a switch", file=sys.stderr)
        return model

    with monkeypatch.context() as patch:
        patch.setattr(transformers.AutoTokenizer, "from_pretrained", lambda *_, **__: Tokenizer())
        patch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", load)
        yield model


def test_the_weights_are_unpacked_once_without_a_word(cache, tiny, monkeypatch, capsys):
    folder = unpacked()
    assert "quantization_config" not in json.loads((folder / "config.json").read_text())
    assert not list(cache.rglob("*.part"))
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1
    assert capsys.readouterr().err == ""
    with without_loading_bars():
        loaded = transformers.LlamaForCausalLM.from_pretrained(folder, local_files_only=True)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), tiny.parameters(), strict=True))
    assert loaded.lm_head.weight.data_ptr() == loaded.model.embed_tokens.weight.data_ptr()  # stored once
    monkeypatch.setattr(language_weights, "_unpack", None)  # would fail if called again
    assert unpacked() == folder


def test_a_reader_at_a_terminal_is_told_why_it_takes_so_long(cache, tiny, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    unpacked()
    assert "takes about a minute" in capsys.readouterr().err


def test_a_process_that_waited_for_another_takes_its_weights(cache, monkeypatch):
    whole = iter([False, True])
    monkeypatch.setattr(language_weights, "_is_whole", lambda _: next(whole))
    monkeypatch.setattr(language_weights, "_unpack", None)
    assert unpacked() == cache / "smollm2-135m" / "unpacked"


def test_a_folder_that_is_not_whole_is_unpacked_again(cache, monkeypatch):
    def unpack(_, folder):
        (folder / "a").write_text("abc")
        (folder / RECORD).write_text('{"a": 3}')

    monkeypatch.setattr(language_weights, "_unpack", unpack)
    folder = unpacked()
    for spoil in (lambda: (folder / "a").write_text("ab"), (folder / RECORD).unlink, lambda: shutil.rmtree(folder)):
        spoil()
        assert (unpacked() / "a").read_text() == "abc"
    (folder / RECORD).write_text("[]")
    assert (unpacked() / RECORD).read_text() == '{"a": 3}'


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), RuntimeError("I/O error: No space left"), MemoryError()]
)
def test_an_unpacking_that_fails_leaves_nothing_and_names_the_remedy(cache, monkeypatch, error):
    def fail(_, folder):
        (folder / "a").write_text("half")
        raise error

    monkeypatch.setattr(language_weights, "_unpack", fail)
    with pytest.raises(MediaError, match=rf"{type(error).__name__}.*set AVREC_CACHE to another folder"):
        unpacked()
    assert not list(cache.glob("smollm2-135m/unpacked*"))


def test_a_model_that_cannot_be_fetched_is_the_error_of_the_fetch(cache, monkeypatch):
    def fail(_):
        raise assets.AssetError("no network; remedy")

    monkeypatch.setattr(language_weights, "fetch", fail)
    with pytest.raises(assets.AssetError, match="no network; remedy"):
        unpacked()


@pytest.mark.parametrize("shown", [True, False])
def test_bars_are_silenced_and_the_setting_is_left_as_it_was(shown):
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    try:
        (logging.enable_progress_bar if shown else logging.disable_progress_bar)()
        with without_loading_bars():
            assert not logging.is_progress_bar_enabled()
        assert logging.is_progress_bar_enabled() == shown
    finally:
        (logging.enable_progress_bar if before else logging.disable_progress_bar)()
