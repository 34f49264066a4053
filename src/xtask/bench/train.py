"""PyTorch's side of a training step: the GPT-2 of the library's example `train_time`, in f32, with scaled dot-product
attention in one call and the fused AdamW.

    python train.py WIDTH LAYERS LENGTH BATCH eager|compiled

Prints a JSON object with the fields of `train_time`. The first steps do not count.
"""
import json
import math
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

VOCAB, SECONDS = 293, 3.0
torch.manual_seed(7)
width, layers, length, batch = map(int, sys.argv[1:5])


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        heads = lambda y: y.view(*y.shape[:2], -(-width // 32), -1).transpose(1, 2)
        q, k, v = map(heads, self.c_attn(self.ln_1(x)).split(width, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.c_proj(y.transpose(1, 2).reshape(x.shape))
        return x + self.down(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(VOCAB, width), nn.Embedding(length, width)
        self.blocks, self.ln_f = nn.ModuleList(Block() for _ in range(layers)), nn.LayerNorm(width)

    def forward(self, ids, targets):
        x = self.wte(ids) + self.wpe.weight
        for block in self.blocks:
            x = block(x)
        return F.cross_entropy((self.ln_f(x) @ self.wte.weight.T).flatten(0, 1), targets)


model = Model()
nn.init.normal_(model.wte.weight, std=1 / math.sqrt(width))
optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
forward = torch.compile(model) if sys.argv[5] == "compiled" else model


def step(index):
    ids = (torch.arange(batch * length) * 7919 + index * 104729) % 65537 % VOCAB
    loss = forward(ids.view(batch, length), (ids * 7 + 3) % VOCAB)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


for index in range(3):
    step(index)
times, start = [], time.perf_counter()
while time.perf_counter() - start < SECONDS or len(times) < 3:
    begin = time.perf_counter()
    loss = step(len(times) + 3)
    times.append(time.perf_counter() - begin)
times.sort()
median = times[len(times) // 2]
print(json.dumps(dict(
    steps=len(times), tokens_per_second=batch * length / median, fastest_millis=1e3 * times[0], median_millis=1e3 * median,
    peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, loss=loss)))
