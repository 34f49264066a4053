"""PyTorch's side of a whole model: a forward pass over 128 tokens, and decoding with a cache where there is one, eager and
in f32. The fastest run counts.

    python model.py MODEL_DIR

Prints a JSON object with the fields of the library's example `model_time`.
"""
import json
import resource
import sys
import time

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

PROMPT, WRITTEN, RUNS = 128, 64, 5


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def decode(model, ids):
    """Milliseconds of a token after the first one, greedily."""
    out = model(ids, use_cache=True)
    cache, token = out.past_key_values, out.logits[:, -1:].argmax(-1)
    start = time.perf_counter()
    for _ in range(WRITTEN - 1):
        out = model(token, past_key_values=cache, use_cache=True)
        cache, token = out.past_key_values, out.logits[:, -1:].argmax(-1)
    return 1e3 * (time.perf_counter() - start) / (WRITTEN - 1)


def main():
    is_encoder = AutoConfig.from_pretrained(sys.argv[1]).model_type == "bert"
    kind = AutoModel if is_encoder else AutoModelForCausalLM
    model = kind.from_pretrained(sys.argv[1], dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([[(i * 7919 + 11) % model.config.vocab_size for i in range(PROMPT)]])
    with torch.no_grad():
        forward = min(timed(lambda: model(ids)) for _ in range(RUNS + 1))
        token = None if is_encoder else min(decode(model, ids[:, :8]) for _ in range(RUNS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(dict(forward_millis=1e3 * forward, token_millis=token, peak_mib=peak)))


main()
