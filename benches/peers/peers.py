"""The peers: the same work as benches/peers.rs in NumPy and PyTorch, float64, two threads; then the ratios.

Called by run.sh with rewardlab's lines on standard input. A ratio is the peer's seconds over rewardlab's: above 1,
rewardlab is faster.
"""

import json
import os
import statistics
import sys
import time

os.environ.update({v: "2" for v in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})

import numpy as np
import torch

import sweep_plain
import sweep_tuned

torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)


def median_seconds(repeats, call):
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def gradient_numpy(prompts=64, outputs=1024):
    """Values, reward stds and gradient of a bandit's mean value."""
    rng = np.random.default_rng(0)
    logits, rewards = rng.standard_normal((2, prompts, outputs))

    def call():
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        value = np.einsum("xy,xy->x", p, rewards)
        deviation = rewards - value[:, None]
        weighted = p * deviation
        std = np.sqrt(np.einsum("xy,xy->x", weighted, deviation))
        weighted /= prompts
        return value, std, weighted

    return median_seconds(300, call)


def gradient_torch(prompts=64, outputs=1024):
    logits = torch.randn(prompts, outputs, requires_grad=True)
    rewards = torch.randn(prompts, outputs)

    def call():
        logits.grad = None
        p = logits.softmax(dim=1)
        value = (p * rewards).sum(dim=1)
        with torch.no_grad():
            std = (p * (rewards - value[:, None]) ** 2).sum(dim=1).sqrt()
        value.mean().backward()
        return value, std, logits.grad

    return median_seconds(300, call)


def epoch_torch(batch, images=1000):
    """An epoch of exact expected reward by Adam, 784-250-100-10."""
    sizes = [784, 250, 100, 10]
    layers = [l for a, b in zip(sizes, sizes[1:]) for l in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    network = torch.nn.Sequential(*layers[:-1])
    adam = torch.optim.Adam(network.parameters(), lr=1e-4)
    inputs = torch.randn(images, 784)
    rewards = torch.full((images, 10), -1.0)
    rewards[torch.arange(images), torch.arange(images) % 10] = 1.0

    def call():
        for start in range(0, images, batch):
            rows = slice(start, start + batch)
            adam.zero_grad()
            loss = -(network(inputs[rows]).softmax(dim=1) * rewards[rows]).sum(dim=1).mean()
            loss.backward()
            adam.step()

    return median_seconds(15, call)


def main():
    ours = {line["work"]: line["seconds"] for line in map(json.loads, sys.stdin)}
    rows = [
        ("exact gradient, 64 × 1,024", "gradient", "NumPy", gradient_numpy()),
        ("exact gradient, 64 × 1,024", "gradient", "PyTorch autograd", gradient_torch()),
    ]
    totals = {"rewardlab": 0.0, "plain": 0.0, "tuned": 0.0}
    for family in ("tabular", "log-linear", "mlp"):
        work = f"sweep {family}"
        totals["rewardlab"] += ours[work]
        for name, module, draws in (("plain", sweep_plain, 1024), ("tuned", sweep_tuned, 4096)):
            seconds = median_seconds(1, lambda: module.sweep(family, draws)) / (16 * draws)
            totals[name] += seconds
            rows.append((f"theorem1 draw, {family}", work, f"NumPy, {name}", seconds))
    ours["sweep"] = totals["rewardlab"]
    rows += [("theorem1 sweep, all families", "sweep", f"NumPy, {n}", totals[n]) for n in ("plain", "tuned")]
    for batch in (100, 512):
        seconds = epoch_torch(batch)
        for how in ("alone", "side by side"):
            what = f"MLP epoch, batch {batch}, {'one network' if how == 'alone' else 'two networks'}"
            rows.append((what, f"mlp batch {batch} {how}", "PyTorch", seconds))
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__}, 2 threads, float64\n")
    print("| work | rewardlab | peer | its time | ratio |\n|---|---|---|---|---|")
    for what, work, peer, seconds in rows:
        print(f"| {what} | {ours[work] * 1e6:,.1f} µs | {peer} | {seconds * 1e6:,.1f} µs | {seconds / ours[work]:.1f} |")


main()
