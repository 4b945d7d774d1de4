"""The peers of benches/peers_lm.rs: the same models, batches and work in PyTorch, float32; then the ratios.

Called by lm.sh with rewardlab's lines on standard input. PyTorch runs as one process on both cores and as one process
per core, eager and compiled; the best total counts. A ratio is PyTorch's seconds per call over rewardlab's: above 1,
rewardlab is faster.
"""

import json
import multiprocessing
import statistics
import sys
import time

CORES = 2
WORK = {
    "small": {"width": 64, "layers": 2, "heads": 4, "length": 32, "batch": 64, "repeats": 60},
    "big": {"width": 256, "layers": 4, "heads": 8, "length": 64, "batch": 16, "repeats": 15},
    "translator": {"width": 48, "layers": 2, "heads": 4, "length": 32, "batch": 256, "repeats": 20},
}
# pairs: prompts a quarter of the length, half of the sequences chosen, half rejected
PAIRS = {
    "tiny": {"width": 32, "layers": 2, "heads": 2, "length": 12, "batch": 128, "repeats": 100},
    "small": {"width": 64, "layers": 2, "heads": 4, "length": 32, "batch": 64, "repeats": 60},
}
VOCAB = 64
PIECES = ("step", "score", "sample")
PIECES_OF_PAIRS = ("dpo_step", "log_prob")


def build(torch, width, layers, heads, length):
    functional = torch.nn.functional

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1, self.norm2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
            self.qkv, self.out = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
            self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

        def forward(self, x, cache=None, at=0):
            batch, steps, _ = x.shape
            qkv = self.qkv(self.norm1(x)).view(batch, steps, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            if cache is not None:
                cache[0][:, :, at : at + steps], cache[1][:, :, at : at + steps] = k, v
                k, v = cache[0][:, :, : at + steps], cache[1][:, :, : at + steps]
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=steps > 1)
            x = x + self.out(mixed.transpose(1, 2).reshape(batch, steps, width))
            return x + self.down(functional.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.tokens, self.positions = torch.nn.Embedding(VOCAB, width), torch.nn.Embedding(length + 1, width)
            self.blocks = torch.nn.ModuleList(Block() for _ in range(layers))
            self.norm, self.head = torch.nn.LayerNorm(width), torch.nn.Linear(width, VOCAB, bias=False)

        def forward(self, tokens, caches=None, at=0):
            x = self.tokens(tokens) + self.positions.weight[at : at + tokens.shape[1]]
            for i, block in enumerate(self.blocks):
                x = block(x, caches[i] if caches is not None else None, at)
            return self.head(self.norm(x if caches is None else x[:, -1:]))

    return Model()


def calls(torch, spec, compiled):
    functional = torch.nn.functional
    width, heads, length, batch = (spec[k] for k in ("width", "heads", "length", "batch"))
    torch.manual_seed(0)
    model = build(torch, width, spec["layers"], heads, length)
    run = torch.compile(model) if compiled else model
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    x, y = torch.randint(0, VOCAB, (2, batch, length))

    def step():
        adam.zero_grad()
        functional.cross_entropy(run(x).flatten(0, 1), y.flatten()).backward()
        adam.step()

    @torch.inference_mode()
    def score():
        return -functional.cross_entropy(run(x).flatten(0, 1), y.flatten(), reduction="none")

    @torch.inference_mode()
    def sample():
        shape = (batch, heads, length, width // heads)
        caches = [(torch.empty(shape), torch.empty(shape)) for _ in range(spec["layers"])]
        tokens, at, out = x[:, : length // 4], 0, []
        while at + tokens.shape[1] <= length and len(out) < length - length // 4:
            logits = model(tokens, caches, at)[:, -1]
            at += tokens.shape[1]
            tokens = torch.multinomial(logits.softmax(-1), 1)
            out.append((tokens, logits.log_softmax(-1).gather(1, tokens)))
        return out

    return {"step": step, "score": score} | ({} if compiled else {"sample": sample})


def calls_on_pairs(torch, spec, compiled):
    functional = torch.nn.functional
    width, heads, length, batch = (spec[k] for k in ("width", "heads", "length", "batch"))
    torch.manual_seed(0)
    model = build(torch, width, spec["layers"], heads, length)
    run = torch.compile(model) if compiled else model
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    tokens = torch.randint(0, VOCAB, (batch, length))
    x, y, prompt = tokens[:, :-1], tokens[:, 1:], length // 4

    def sums():
        picked = run(x).log_softmax(-1).gather(2, y.unsqueeze(2)).squeeze(2)
        return picked[:, prompt - 1 :].sum(1)

    with torch.no_grad():
        reference = sums().clone()

    def dpo_step():
        adam.zero_grad()
        ratios = sums() - reference
        chosen, rejected = ratios.chunk(2)
        (-functional.logsigmoid(0.1 * (chosen - rejected))).mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()

    @torch.inference_mode()
    def log_prob():
        return sums()

    return {"dpo_step": dpo_step, "log_prob": log_prob}


def worker(name, pairs, compiled, threads, barrier, results):
    import torch

    torch.set_num_threads(threads)
    spec = (PAIRS if pairs else WORK)[name]
    for what, call in (calls_on_pairs if pairs else calls)(torch, spec, compiled).items():
        for _ in range(3):
            call()
        barrier.wait()
        seconds = []
        for _ in range(max(spec["repeats"] // 4, 5) if what == "sample" else spec["repeats"]):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        results.put((what, statistics.median(seconds)))


def total(name, pairs, compiled, processes):
    """Seconds per call over all processes."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    arguments = (name, pairs, compiled, CORES // processes, barrier, results)
    workers = [context.Process(target=worker, args=arguments) for _ in range(processes)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    found = {}
    while not results.empty():
        what, seconds = results.get()
        found.setdefault(what, []).append(seconds)
    return {what: statistics.mean(s) / processes for what, s in found.items()}


def main():
    lines = [json.loads(line) for line in sys.stdin]
    ours = {line["work"]: line for line in lines}
    print("| work | rewardlab, both cores | GFLOP/s | of the product's rate | PyTorch's best | its time | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name, pairs in [(n, False) for n in WORK] + [(n, True) for n in PAIRS]:
        asked = [w for w in (PIECES_OF_PAIRS if pairs else PIECES) if f"{name} {w} side by side" in ours]
        if not asked:
            continue
        peers = {}
        for compiled in (False, True):
            for processes in (1, CORES):
                how = f"{'compiled' if compiled else 'eager'}, {processes} process{'es' if processes > 1 else ''}"
                for what, seconds in total(name, pairs, compiled, processes).items():
                    peers.setdefault(what, {})[how] = seconds
        rates = [line["gflops"] for line in lines if line["work"].startswith(f"product {name}")]
        rate = CORES * sum(rates) / len(rates) if rates else None
        for what in asked:
            line = ours[f"{name} {what} side by side"]
            how, seconds = min(peers[what].items(), key=lambda item: item[1])
            flops = f"{line['gflops']:.0f}" if line["gflops"] else "—"
            share = f"{line['gflops'] / rate:.0%}" if line["gflops"] and rate else "—"
            both = f"{line['seconds'] * 1e3:.2f} ms | {flops} | {share}"
            print(f"| {name} {what} | {both} | {how} | {seconds * 1e3:.2f} ms | {seconds / line['seconds']:.2f} |")
            print(" ", what, {k: f"{v * 1e3:.2f} ms" for k, v in peers[what].items()}, file=sys.stderr)


if __name__ == "__main__":
    main()
