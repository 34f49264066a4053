"""numpy on many small SVDs: the whole batch in one call, or split over as many threads as there are cores.

    python svd.py COUNT SIZE whole
    OPENBLAS_NUM_THREADS=1 python svd.py COUNT SIZE split

Prints the median time in milliseconds. The matrices are causal attention weights of Gaussian queries and keys.
"""
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

count, n = map(int, sys.argv[1:3])
workers = {"whole": 1, "split": len(os.sched_getaffinity(0))}[sys.argv[3]]
rng = np.random.default_rng(7)
scores = rng.standard_normal((count, n, 16)) @ rng.standard_normal((count, 16, n)) / 4.0
scores[:, ~np.tri(n, dtype=bool)] = -np.inf
weights = np.exp(scores - scores.max(-1, keepdims=True))
weights /= weights.sum(-1, keepdims=True)
parts = np.array_split(weights, workers)
times = []
with ThreadPoolExecutor(workers) as pool:
    for _ in range(9):
        start = time.perf_counter()
        list(pool.map(lambda part: np.linalg.svd(part, compute_uv=False), parts))
        times.append(time.perf_counter() - start)
print(1000 * sorted(times)[len(times) // 2])
