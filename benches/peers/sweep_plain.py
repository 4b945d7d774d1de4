"""The theorem1 sweep in NumPy, vectorised as one would write it: draws are the first axis, matrix products are batched
`@`, gamma is the largest singular value that `numpy.linalg` finds for the logits' Jacobians. The same quantities as
sweep_tuned.py."""

import numpy as np

from sweep_tuned import FEATURES, HIDDEN, one_hot_prefixes, starts

BATCH = 512


def logit_gradient(logits, rewards, vocab, length):
    """logits (draws, contexts, V), rewards (draws, outputs) -> d value / d logits (same shape), std (draws)."""
    start, n = starts(vocab, length), len(logits)
    probs = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probs /= probs.sum(axis=-1, keepdims=True)
    level = lambda d: probs[:, start[d] : start[d + 1]]
    reach, reaches = np.ones((n, 1)), []
    for depth in range(length):
        reaches.append(reach)
        reach = (reach[..., None] * level(depth)).reshape(n, -1)
    std = np.sqrt((reach * (rewards - (reach * rewards).sum(axis=1, keepdims=True)) ** 2).sum(axis=1))
    grad, below = np.empty_like(logits), rewards
    for depth in reversed(range(length)):
        q = below.reshape(n, -1, vocab)
        below = (level(depth) * q).sum(axis=-1)
        grad[:, start[depth] : start[depth + 1]] = reaches[depth][..., None] * level(depth) * (q - below[..., None])
    return grad, std


def tabular(rng, vocab, length):
    contexts = starts(vocab, length)[-1]

    def draw(scale, rewards):
        logits = rng.standard_normal((len(scale), contexts, vocab)) * scale[:, None, None]
        grad, std = logit_gradient(logits, rewards, vocab, length)
        return np.linalg.norm(grad.reshape(len(scale), -1), axis=1), std, 1.0

    return draw


def log_linear(rng, vocab, length):
    contexts = starts(vocab, length)[-1]
    features = rng.standard_normal((contexts, vocab, FEATURES))
    gamma = np.linalg.norm(features, 2, axis=(1, 2)).max()

    def draw(scale, rewards):
        theta = rng.standard_normal((len(scale), FEATURES)) * scale[:, None]
        logits = np.einsum("svf,nf->nsv", features, theta)
        grad, std = logit_gradient(logits, rewards, vocab, length)
        return np.linalg.norm(np.einsum("nsv,svf->nf", grad, features), axis=1), std, gamma

    return draw


def mlp(rng, vocab, length):
    x = one_hot_prefixes(vocab, length)
    inputs = x.shape[1]

    def draw(scale, rewards):
        n, s = len(scale), scale[:, None, None]
        w1, w2 = rng.standard_normal((n, inputs, HIDDEN)) * s, rng.standard_normal((n, HIDDEN, vocab)) * s
        b1, b2 = rng.standard_normal((n, 1, HIDDEN)) * s, rng.standard_normal((n, 1, vocab)) * s
        hidden = np.tanh(x @ w1 + b1)
        grad, std = logit_gradient(hidden @ w2 + b2, rewards, vocab, length)
        gate = 1 - hidden**2
        delta = grad @ w2.transpose(0, 2, 1) * gate
        parts = [x.T @ delta, delta.sum(axis=1), hidden.transpose(0, 2, 1) @ grad, grad.sum(axis=1)]
        norm = np.sqrt(sum((p.reshape(n, -1) ** 2).sum(axis=1) for p in parts))
        # J J' = (|h|^2 + 1) I + (|x|^2 + 1) G G' with G = W2' diag(gate)
        top = np.linalg.norm(w2.transpose(0, 2, 1)[:, None] * gate[:, :, None], 2, axis=(2, 3))
        squares = (hidden**2).sum(axis=-1) + 1 + ((x**2).sum(axis=1) + 1) * top**2
        return norm, std, np.sqrt(squares.max(axis=1))

    return draw


FAMILIES = {"tabular": tabular, "log-linear": log_linear, "mlp": mlp}


def sweep(family, draws):
    """Largest tightness ratio over `draws` draws on each of the 16 shapes."""
    rng, largest = np.random.default_rng(0), 0.0
    for vocab in range(2, 6):
        for length in range(1, 5):
            draw = FAMILIES[family](rng, vocab, length)
            for done in range(0, draws, BATCH):
                n = min(BATCH, draws - done)
                scale = 0.03 * 1000.0 ** rng.random(n)
                rewards = 2 * rng.random((n, vocab**length)) - 1
                norm, std, gamma = draw(scale, rewards)
                largest = max(largest, (norm / (6 * length * gamma * np.cbrt(std) ** 2)).max())
    return largest
