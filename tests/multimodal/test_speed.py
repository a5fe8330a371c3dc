"""What is measured, and that it is measured of the right thing. How fast it is is no test."""

from __future__ import annotations

import math

import pytest
import torch

from avrec_lib.multimodal import speed
from avrec_lib.multimodal.cards import PEAKS, peak
from avrec_lib.multimodal.profiling import PARTS
from avrec_lib.multimodal.settings import Settings
from avrec_lib.multimodal.sizes import model_size
from avrec_lib.multimodal.speed import COLUMNS, able, bench

SMALL = Settings(
    text="words", tokens=7, vocabulary=30, picture="pixels", pixels=8, sound="frames", frames=9, coefficients=4,
    width=6, d=5, tastes=3,
)  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture
def on_cpu(monkeypatch):
    for module in ("avrec_lib.multimodal.speed", "avrec_lib.multimodal.profiling"):
        monkeypatch.setattr(f"{module}.device", lambda: CPU)
    monkeypatch.setattr(speed, "_cpu_has_bf16", lambda: False)


def test_training_and_inference_are_measured_with_the_parts_of_a_step(on_cpu):
    table = bench(SMALL, 0.2, clips=8)
    assert list(table) == list(COLUMNS)
    assert table["work"].tolist() == ["training", "inference"]
    assert (table[["clips", "impressions"]] == [8, 80]).all(axis=None)
    for what in ("clips", "impressions"):
        assert (table[f"{what}_per_second"] * table["seconds"]).tolist() == pytest.approx(table[what].tolist())
    assert (table["steps"] >= 2).all()
    assert table.loc[0, list(PARTS)].sum() == pytest.approx(1)
    assert table.loc[1, list(PARTS)].isna().all()
    assert table["operators"][0].count("%") == speed.TOP
    assert table[["memory", "share_of_peak"]].isna().all(axis=None)  # a CPU counts no memory, and has no data sheet


def test_precisions_that_the_device_lacks_are_left_out_and_the_profile_can_be(on_cpu):
    table = bench("small", 0.1, clips=4, precisions=["fp32", "tf32"], profiled=False)
    assert table["precision"].tolist() == ["fp32"] * 2
    assert table[list(PARTS)].isna().all(axis=None)
    assert bench(SMALL, 0.1, clips=4, precisions=["tf32"]).empty


def test_bf16_is_measured_where_it_can_be(on_cpu, monkeypatch):
    monkeypatch.setattr(speed, "_cpu_has_bf16", lambda: True)
    seen = []
    products = speed.products
    monkeypatch.setattr(
        speed, "products", lambda precision, where: seen.append(precision) or products(precision, where)
    )
    table = bench(SMALL, 0.1, clips=4, profiled=False)
    assert table["precision"].tolist() == seen == ["fp32", "fp32", "bf16", "bf16"]


def test_a_gpu_of_2020_or_later_computes_in_all_three(monkeypatch):
    for capability, can in (
        ((7, 5), ("fp32",)),
        ((8, 0), ("fp32", "tf32", "bf16")),
        ((9, 0), ("fp32", "tf32", "bf16")),
    ):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda where, capability=capability: capability)
        assert able(torch.device("cuda")) == can
    assert able(torch.device("mps")) == ("fp32",)


def test_a_step_of_training_changes_the_weights_and_scoring_does_not(monkeypatch):
    built = []
    real = speed.MultimodalModel
    monkeypatch.setattr(speed, "MultimodalModel", lambda *given: built.append(real(*given)) or built[-1])
    rows = speed._rows(SMALL, 8, 0)
    for work, changes in (("training", True), ("inference", False)):
        with speed._step(work, SMALL, CPU) as step:
            before = torch.cat([p.detach().flatten().clone() for p in built[-1].parameters()])
            step(rows.batch(range(2)))
            after = torch.cat([p.detach().flatten() for p in built[-1].parameters()])
        assert torch.equal(before, after) != changes
        assert built[-1].training == changes


def test_the_share_of_the_peak_is_the_flops_of_a_step_over_those_of_the_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "NVIDIA H200")
    cost, gpu = model_size(SMALL, batch_clips=8), torch.device("cuda")
    assert speed._of_peak("training", cost, "bf16", gpu) == {"flops": cost.step_flops, "peak": 989.5e12}
    assert speed._of_peak("inference", cost, "fp32", gpu) == {"flops": 2 * 8 * cost.multiply_adds, "peak": 67e12}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda where: "a card of tomorrow")
    assert math.isnan(speed._of_peak("training", cost, "bf16", gpu)["peak"])


@pytest.mark.parametrize(
    ("name", "bf16"),
    [
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A100-PCIE-40GB", 312e12),
        ("NVIDIA A100 80GB PCIe", 312e12),
        ("NVIDIA H100 80GB HBM3", 989.5e12),
        ("NVIDIA H100 PCIe", 756.5e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12),
        ("Tesla T4", None),
        ("NVIDIA L40S", None),
        ("NVIDIA H200 NVL", None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None),
    ],
)
def test_a_card_is_known_by_its_whole_name(name, bf16):
    assert peak(name, "bf16") == bf16


def test_a_t4_has_a_peak_in_float32_only_and_coarser_numbers_are_never_slower():
    assert peak("Tesla T4", "fp32") == 8.1e12
    assert peak("Tesla T4", "tf32") is None
    for _, peaks in PEAKS:
        assert list(peaks.values()) == sorted(peaks.values())


def test_what_cannot_be_measured_is_refused(on_cpu):
    with pytest.raises(ValueError, match="no size is called 'tiny'"):
        bench("tiny")
    with pytest.raises(ValueError, match="seconds must be a positive number, not 0"):
        bench(SMALL, 0)
    with pytest.raises(ValueError, match="multiple of 4"):
        bench(SMALL, 1, clips=5)
