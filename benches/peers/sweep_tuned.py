"""The theorem1 sweep in NumPy, tuned by hand: random policies and rewards on every tree with V <= 5, L <= 4; for each
draw the exact policy gradient, the reward's standard deviation, gamma (the largest spectral norm of the logits'
Jacobian) and the tightness ratio of the bound.

Draws are the last axis of every array, so that all sums over tokens and contexts run over whole contiguous vectors; they
are worked in batches that stay in the cache; eigenvalues of 2 x 2 and 3 x 3 matrices are in closed form.
"""

import numpy as np

HIDDEN, FEATURES, BATCH = 6, 5, 512


def starts(vocab, length):
    return [sum(vocab**i for i in range(d)) for d in range(length + 1)]


def one_hot_prefixes(vocab, length):
    rows = []
    for depth in range(length):
        for code in range(vocab**depth):
            row = np.zeros(length + (length - 1) * vocab)
            row[depth] = 1
            for position in range(depth):
                row[length + position * vocab + code // vocab ** (depth - 1 - position) % vocab] = 1
            rows.append(row)
    return np.array(rows)


def logit_gradient(logits, rewards, vocab, length):
    """logits (contexts, V, draws), rewards (outputs, draws) -> d value / d logits (same shape), std (draws)."""
    start, n = starts(vocab, length), logits.shape[-1]
    probs = logits - logits.max(axis=1, keepdims=True)
    np.exp(probs, out=probs)
    probs /= probs.sum(axis=1, keepdims=True)
    deviation = np.empty_like(probs)
    below, variance = rewards, None
    for depth in reversed(range(length)):
        s = slice(start[depth], start[depth + 1])
        p, q = probs[s], below.reshape(vocab**depth, vocab, n)
        mean = np.einsum("sad,sad->sd", p, q)
        np.subtract(q, mean[:, None], out=deviation[s])
        spread = np.square(deviation[s])
        if variance is not None:
            spread += variance.reshape(vocab**depth, vocab, n)
        variance = np.einsum("sad,sad->sd", p, spread)
        below = mean
    reach = np.ones((1, n))
    for depth in range(length):
        s = slice(start[depth], start[depth + 1])
        probs[s] *= reach[:, None]
        reach = probs[s].reshape(-1, n)
    probs *= deviation
    return probs, np.sqrt(variance[0])


def largest_eigenvalue(entries, vocab):
    """entries[i][j] (contexts, draws) of symmetric matrices -> largest eigenvalue (contexts, draws)."""
    if vocab == 2:
        half = (entries[0][0] - entries[1][1]) / 2
        return (entries[0][0] + entries[1][1]) / 2 + np.hypot(half, entries[1][0])
    if vocab == 3:  # the trigonometric closed form
        (a,), (d, b), (f, e, c) = entries
        q = (a + b + c) / 3
        a, b, c = a - q, b - q, c - q
        off = d * d + e * e + f * f
        p = np.sqrt((a * a + b * b + c * c + 2 * off) / 6)
        det = a * (b * c - e * e) - d * (d * c - e * f) + f * (d * e - b * f)
        with np.errstate(invalid="ignore", divide="ignore"):
            angle = np.arccos(np.clip(det / (2 * p**3), -1, 1)) / 3
        return q + 2 * p * np.where(p > 0, np.cos(angle), 0)
    gram = np.empty(entries[0][0].shape + (vocab, vocab))
    for i in range(vocab):
        for j in range(i + 1):
            gram[..., i, j] = entries[i][j]  # eigvalsh reads the lower triangle
    return np.linalg.eigvalsh(gram)[..., -1]


def tabular(rng, vocab, length):
    contexts = starts(vocab, length)[-1]

    def draw(scale, rewards):
        logits = rng.standard_normal((contexts, vocab, scale.size))
        logits *= scale
        grad, std = logit_gradient(logits, rewards, vocab, length)
        return np.sqrt(np.einsum("sad,sad->d", grad, grad)), std, 1.0

    return draw


def log_linear(rng, vocab, length):
    contexts = starts(vocab, length)[-1]
    features = rng.standard_normal((contexts * vocab, FEATURES))
    blocks = features.reshape(contexts, vocab, FEATURES)
    gamma = np.sqrt(np.linalg.eigvalsh(blocks @ blocks.transpose(0, 2, 1))[:, -1].max())

    def draw(scale, rewards):
        theta = rng.standard_normal((FEATURES, scale.size)) * scale
        logits = (features @ theta).reshape(contexts, vocab, -1)
        grad, std = logit_gradient(logits, rewards, vocab, length)
        return np.linalg.norm(features.T @ grad.reshape(contexts * vocab, -1), axis=0), std, gamma

    return draw


def mlp(rng, vocab, length):
    x = one_hot_prefixes(vocab, length)
    contexts, inputs = x.shape
    input_squares = (x * x).sum(axis=1)[:, None] + 1

    def draw(scale, rewards):
        n = scale.size
        w1, b1 = rng.standard_normal((inputs, HIDDEN * n)), rng.standard_normal((HIDDEN, n))
        w2, b2 = rng.standard_normal((vocab, HIDDEN, n)), rng.standard_normal((vocab, n))
        w1.reshape(inputs, HIDDEN, n)[...] *= scale
        b1, w2, b2 = b1 * scale, w2 * scale, b2 * scale
        hidden = (x @ w1).reshape(contexts, HIDDEN, n)
        hidden += b1
        np.tanh(hidden, out=hidden)
        logits = np.einsum("skd,akd->sad", hidden, w2) + b2
        grad, std = logit_gradient(logits, rewards, vocab, length)
        gate = 1 - hidden * hidden
        square = np.einsum("sad,sad->d", grad.sum(axis=0)[None], grad.sum(axis=0)[None])
        square += np.square(np.einsum("sad,skd->akd", grad, hidden)).sum(axis=(0, 1))
        delta = np.einsum("sad,akd->skd", grad, w2)
        delta *= gate
        square += np.square(delta.sum(axis=0)).sum(axis=0)
        square += np.square((x.T @ delta.reshape(contexts, -1)).reshape(inputs, HIDDEN, n)).sum(axis=(0, 1))
        # J J' = (|h|^2 + 1) I + (|x|^2 + 1) W2 diag(gate^2) W2'
        gate *= gate
        entries = [[np.einsum("skd,kd->sd", gate, w2[i] * w2[j]) for j in range(i + 1)] for i in range(vocab)]
        gram = input_squares * largest_eigenvalue(entries, vocab) + np.einsum("skd,skd->sd", hidden, hidden) + 1
        return np.sqrt(square), std, np.sqrt(gram.max(axis=0))

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
                rewards = 2 * rng.random((vocab**length, n)) - 1
                norm, std, gamma = draw(scale, rewards)
                largest = max(largest, (norm / (6 * length * gamma * np.cbrt(std) ** 2)).max())
    return largest
