"""numpy at its best on many small SVDs: one BLAS thread, the batch halved over two threads.

    OPENBLAS_NUM_THREADS=1 python svd.py COUNT SIZE

Prints the median time in milliseconds. The matrices are causal attention weights of Gaussian queries and keys.
"""
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

count, n = map(int, sys.argv[1:])
rng = np.random.default_rng(7)
scores = rng.standard_normal((count, n, 16)) @ rng.standard_normal((count, 16, n)) / 4.0
scores[:, ~np.tri(n, dtype=bool)] = -np.inf
weights = np.exp(scores - scores.max(-1, keepdims=True))
weights /= weights.sum(-1, keepdims=True)
halves = np.array_split(weights, 2)
times = []
with ThreadPoolExecutor(2) as pool:
    for _ in range(9):
        start = time.perf_counter()
        list(pool.map(lambda half: np.linalg.svd(half, compute_uv=False), halves))
        times.append(time.perf_counter() - start)
print(1000 * sorted(times)[len(times) // 2])
