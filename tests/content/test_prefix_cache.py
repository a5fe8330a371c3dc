import pytest
import torch
import transformers

from avrec_lib.content.prefix_cache import CachedReader

SHARED = list(range(3, 40))
SIZES = {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request):
    torch.manual_seed(0)
    if request.param == "gpt2":
        config = transformers.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=128, **SIZES)
        return transformers.GPT2LMHeadModel(config).eval()
    config = transformers.LlamaConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, **SIZES
    )
    return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture
def read(model):
    """How many tokens of a row the model is given, call by call."""
    counts = []
    hook = model.register_forward_pre_hook(lambda _, ids, __: counts.append(ids[0].shape[1]), with_kwargs=True)
    yield counts
    hook.remove()


def plain(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0]  # (T, V)


def assert_equal_to_plain(model, reader, rows, last):
    with torch.inference_mode():
        logits, mask, _ = reader.read(rows, last)
    for ids, found, real in zip(rows, logits, mask, strict=True):
        n = min(last, len(ids))
        torch.testing.assert_close(found[-n:], plain(model, ids)[-n:], atol=1e-5, rtol=1e-4)
        assert real.sum() == len(ids)


@pytest.mark.parametrize("last", [1, 4])
def test_logits_are_those_of_each_list_alone(model, last):
    reader = CachedReader(model)
    for rows in (
        [[5], [6, 7, 8], [9, 10, 11, 12, 13]],  # nothing in common
        [[*SHARED, 41], [*SHARED, 42, 43, 44], [*SHARED, 42]],
        [[*SHARED[:20], 45], [*SHARED[:20], 46]],  # the beginning of the last ones'
        [SHARED, SHARED],
        [[7, 8, 9]],
    ):
        assert_equal_to_plain(model, reader, rows, last)
        assert_equal_to_plain(model, reader, rows, last)


def test_the_cache_goes_on_where_the_lists_end(model):
    reader = CachedReader(model)
    rows = [[*SHARED, 41], [*SHARED, 42, 43, 44]]
    with torch.inference_mode():
        _, mask, cache = reader.read(rows)
        mask = torch.cat([mask, mask.new_ones(2, 1)], dim=1)
        logits = reader.step(torch.tensor([[11], [12]]), cache, mask, mask.sum(dim=1, keepdim=True) - 1)
    for ids, found, after in zip(rows, logits, (11, 12), strict=True):
        torch.testing.assert_close(found[-1], plain(model, [*ids, after])[-1], atol=1e-5, rtol=1e-4)


def test_only_what_is_new_is_computed(model, read):
    reader = CachedReader(model)
    with torch.inference_mode():
        reader.read([[*SHARED, 41], [*SHARED, 42]])
        reader.read([[*SHARED, 43, 44], [*SHARED, 45]])
        reader.read([[*SHARED[:30], 46], [*SHARED[:30], 47]])
    assert read == [len(SHARED), 1, 2, 1]  # the beginning once, then what each batch adds to it


def test_an_interrupted_reading_leaves_nothing_half_read(model, monkeypatch):
    reader = CachedReader(model)
    rows = [[*SHARED, 41], [*SHARED, 42]]
    with monkeypatch.context() as patch:
        patch.setattr(reader, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            reader.read(rows)
    assert_equal_to_plain(model, reader, rows, 1)


def interrupted(*_):
    raise KeyboardInterrupt


def test_a_model_that_calls_its_cache_by_the_older_name_is_read_too(model):
    class Older:
        device = model.device

        def forward(self, ids, attention_mask=None, position_ids=None, past_key_values=None, **options):
            return model(
                ids, attention_mask=attention_mask, position_ids=position_ids, cache=past_key_values, **options
            )

        __call__ = forward

    rows = [[*SHARED, 41], [*SHARED, 42, 43]]
    assert_equal_to_plain(model, CachedReader(Older()), rows, 1)
