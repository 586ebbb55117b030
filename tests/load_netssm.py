"""A netssm model of `syntrace export STUDY weights` in plain PyTorch, its mean logits against stored ones:
python3 load_netssm.py MODEL.safetensors ROWS.jsonl (data: tokens in hex, vector: mean logits)."""
import json, sys, torch
from torch.nn.functional import conv1d, pad, silu, softplus
from safetensors.torch import load_file

W, C = load_file(sys.argv[1]), json.load(open(sys.argv[1].replace(".safetensors", ".json")))["config"]
inner, state, heads = C["expand"] * C["width"], C["state"], C["expand"] * C["width"] // C["head"]

def norm(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + C["eps"]) * weight

def mixer(u, p):
    z, xbc, dt = (u @ W[p + "in_proj.weight"].T).split([inner, inner + 2 * state, heads], -1)
    xbc = conv1d(pad(xbc.T, (C["taps"] - 1, 0)), W[p + "conv1d.weight"], W[p + "conv1d.bias"], groups=inner + 2 * state)
    x, b, c = silu(xbc.T).split([inner, state, state], -1)
    x, dt, h, y = x.reshape(-1, heads, C["head"]), softplus(dt + W[p + "dt_bias"]), 0, []
    for t in range(len(u)):  # h = exp(dt A) h + dt x b', y = h c + D x
        h = h * torch.exp(-dt[t] * W[p + "A_log"].exp())[:, None, None] + (dt[t, :, None] * x[t])[:, :, None] * b[t]
        y.append(h @ c[t] + W[p + "D"][:, None] * x[t])
    return norm(torch.stack(y).reshape(-1, inner) * silu(z), W[p + "norm.weight"]) @ W[p + "out_proj.weight"].T

for row in map(json.loads, open(sys.argv[2])):
    x = W["backbone.embedding.weight"][torch.frombuffer(bytearray.fromhex(row["data"]), dtype=torch.int16)[:-1].long()]
    for p in (f"backbone.layers.{layer}." for layer in range(C["layers"])):
        x = x + mixer(norm(x, W[p + "norm.weight"]), p + "mixer.")
    logits = norm(x, W["backbone.norm_f.weight"]) @ W["backbone.embedding.weight"].T
    print(float((logits.mean(0) - torch.tensor(row["vector"])).abs().max()))
