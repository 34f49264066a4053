"""The ranks of all heads of a BERT-type model as one would write it in Python: the other side of the benchmark.

    python rank_report.py MODEL_DIR TEXT
"""
import json
import sys

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

EPSILON = {"f32": 2.0**-23, "f64": 2.0**-52}


def report(layer, head, matrix):
    s = np.linalg.svd(matrix, compute_uv=False)
    p = s / s.sum()
    p = p[p > 0]
    n = max(matrix.shape)
    return dict(
        layer=layer, head=head, rows=matrix.shape[0], cols=matrix.shape[1],
        numerical_rank_f32=int((s > n * EPSILON["f32"] * s[0]).sum()),
        numerical_rank_f64=int((s > n * EPSILON["f64"] * s[0]).sum()),
        effective_rank=float(np.exp(-(p * np.log(p)).sum())),
        stable_rank=float((s**2).sum() / s[0] ** 2),
        participation_ratio=float((s**2).sum() ** 2 / (s**4).sum()),
        sigma_max=float(s[0]), sigma_min=float(s[-1]), log_abs_det=float(np.linalg.slogdet(matrix)[1]))


def main():
    directory, text = sys.argv[1:]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModel.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.no_grad():
        output = model(**tokenizer(text, return_tensors="pt"), output_attentions=True)
    heads = [report(layer, head, matrix.double().numpy())
             for layer, weights in enumerate(output.attentions)
             for head, matrix in enumerate(weights[0])]
    json.dump(heads, sys.stdout)


main()
