"""PyTorch's side of the operations: the same sizes as the library's example `op_time`, a JSON array.

    python ops.py

Run once as it is and once with a tuned malloc (MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ raised),
which spares the page faults of large temporaries.
"""
import json
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

torch.manual_seed(7)
rows = []


def measure(op, size, call, runs=5):
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    rows.append(dict(op=op, size=size, micros=1e6 * sorted(times)[len(times) // 2]))


def sdpa(q, k, v, backend):
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


with torch.no_grad():
    for n in (128, 256, 512, 1024):
        a, b = torch.randn(n, n), torch.randn(n, n)
        measure("matmul", f"{n} x {n} x {n}", lambda: a @ b.T)
    for n in (128, 512):
        scores = torch.randn(1, 8, n, n)
        masked = ~torch.ones(n, n, dtype=torch.bool).tril()
        measure("masked_softmax", f"8 x {n} x {n}, causal",
                lambda: scores.masked_fill(masked, float("-inf")).softmax(-1))
        x, gain, bias = torch.randn(n, 384), torch.randn(384), torch.randn(384)
        measure("layer_norm", f"{n} x 384", lambda: F.layer_norm(x, (384,), gain, bias))
        measure("rms_norm", f"{n} x 384", lambda: F.rms_norm(x, (384,), gain, 1e-5))
        measure("gelu", f"{n} x 384", lambda: F.gelu(x))
    for n in (128, 512, 1024, 2048, 4096):
        q, k, v = (torch.randn(1, 8, n, 64) for _ in range(3))
        size = f"n = {n}, 8 heads of 64, causal"
        measure("attention, materialised", size, lambda: sdpa(q, k, v, SDPBackend.MATH))
        measure("attention, online softmax", size, lambda: sdpa(q, k, v, SDPBackend.FLASH_ATTENTION))
print(json.dumps(rows))
