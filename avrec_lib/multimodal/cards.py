"""How many operations a second a GPU can do at most, by its maker's data sheet.

Page 7.3. The share of it that a program reaches says how much a better program could gain. The peak is that of products
of large matrices without zeros; data sheets often print twice as much, for matrices half of which are zeros.
"""

from __future__ import annotations

import re

from avrec_lib.multimodal.settings import Precision

# TFLOP/s of dense products: fp32 outside the matrix units; tf32 and bf16 inside them, summed in float32. Where a data
# sheet prints "with sparsity", half of it stands here. The name is the one that torch.cuda.get_device_name() gives.
# - H200 SXM: nvidia.com/en-us/data-center/h200, table "specifications": 67, 989 and 1979 with sparsity.
# - H100 SXM and PCIe: "NVIDIA H100 Tensor Core GPU data sheet": 67, 989, 1979; and 51, 756, 1513 with sparsity.
# - A100, all forms: "NVIDIA A100 Tensor Core GPU data sheet": 19.5, 156, 312.
# - L4: "NVIDIA L4 Tensor Core GPU data sheet": 30.3, 120 and 242 with sparsity.
# - T4: "NVIDIA T4 Tensor Core GPU data sheet": 8.1; its matrix units know neither TF32 nor bfloat16.
# - RTX 4090: "NVIDIA Ada GPU architecture" (white paper), appendix A: 82.6, 82.6, 165.2.
PEAKS: tuple[tuple[str, dict[Precision, float]], ...] = (
    (r"NVIDIA H200", {"fp32": 67, "tf32": 494.5, "bf16": 989.5}),
    (r"NVIDIA H100 (SXM5 )?80GB HBM3", {"fp32": 67, "tf32": 494.5, "bf16": 989.5}),
    (r"NVIDIA H100 PCIe", {"fp32": 51, "tf32": 378, "bf16": 756.5}),
    (r"(NVIDIA )?A100[- ](SXM4-|PCIE-|PCIe-)?[48]0GB( PCIe)?", {"fp32": 19.5, "tf32": 156, "bf16": 312}),
    (r"NVIDIA L4", {"fp32": 30.3, "tf32": 60, "bf16": 121}),
    (r"(Tesla|NVIDIA) T4", {"fp32": 8.1}),
    (r"NVIDIA GeForce RTX 4090", {"fp32": 82.6, "tf32": 82.6, "bf16": 165.2}),
)


def peak(name: str, precision: Precision) -> float | None:
    """Return the FLOP/s of a card, or None for one that is not in the table, or cannot compute so.

    A name has to fit whole: a part of a card ("MIG 1g.10gb") or its relative ("RTX 4090 Laptop GPU") is another card.
    """
    for pattern, peaks in PEAKS:
        if re.fullmatch(pattern, name) and precision in peaks:
            return 1e12 * peaks[precision]
    return None
