"""PyTorch's side of the operations: the same sizes as the library's example `op_time`, a JSON array.

    python ops.py [OPERATION]

Run once as it is and once with a tuned malloc (MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ raised),
which spares the page faults of large temporaries.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

torch.manual_seed(7)
rows = []
wanted = sys.argv[1] if len(sys.argv) > 1 else ""


def measure(op, size, call):
    """The least of several times, as many as `op_time` takes."""
    if not op.startswith(wanted):
        return
    call()
    times = []
    while len(times) < 5 or sum(times) < 0.1 and len(times) < 1000:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    rows.append(dict(op=op, size=size, micros=1e6 * min(times)))


def sdpa(q, k, v, backend):
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)


with torch.no_grad():
    for n in (128, 256, 512, 1024):
        a, b = torch.randn(n, n), torch.randn(n, n)
        measure("matmul", f"{n} x {n} x {n}", lambda: a @ b.T)
    for n in (32, 128, 512):
        scores = torch.randn(1, 8, n, n)
        masked = ~torch.ones(n, n, dtype=torch.bool).tril()
        measure("masked_softmax", f"8 x {n} x {n}, causal",
                lambda: scores.masked_fill(masked, float("-inf")).softmax(-1))
    for n, width in ((32, 64), (128, 384), (512, 384), (4096, 1024)):
        x, y = torch.randn(n, width), torch.randn(n, width)
        gain, bias, size = torch.randn(width), torch.randn(width), f"{n} x {width}"
        measure("add", size, lambda: x + y)
        measure("layer_norm", size, lambda: F.layer_norm(x, (width,), gain, bias))
        measure("rms_norm", size, lambda: F.rms_norm(x, (width,), gain, 1e-5))
        measure("gelu", size, lambda: F.gelu(x))
        measure("silu", size, lambda: F.silu(x))
        measure("tanh", size, lambda: torch.tanh(x))
    for n in (128, 512, 1024, 2048, 4096):
        q, k, v = (torch.randn(1, 8, n, 64) for _ in range(3))
        size = f"n = {n}, 8 heads of 64, causal"
        measure("attention, materialised", size, lambda: sdpa(q, k, v, SDPBackend.MATH))
        measure("attention, online softmax", size, lambda: sdpa(q, k, v, SDPBackend.FLASH_ATTENTION))
print(json.dumps(rows))
