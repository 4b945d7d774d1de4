"""The peers of benches/peers_gpu.rs: the same shapes and work in Hugging Face Transformers, on the same device; then the table.

Called by gpu.sh with rewardlab's lines on standard input. Transformers runs with scaled-dot-product attention in bfloat16. Generation:
with the growing and with the static cache; training: float32 weights under autocast, and weights, gradients and moments in bfloat16, which
is less than rewardlab holds; adapters by PEFT on a bfloat16 base, where it is installed. The best of each counts. A ratio is Transformers'
seconds over rewardlab's: above 1, rewardlab is faster.
"""

import argparse
import contextlib
import json
import statistics
import sys
import time

import torch
import transformers

SMOLLM2 = {
    "model": {
        "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "max_position_embeddings": 2048,
    },
    "generation": (64, 128, 128), "training": (16, 256), "rank": 16, "product": 8192, "copy": 1 << 30, "repeats": 9,
}
TINY = {
    "model": {
        "vocab_size": 300, "hidden_size": 32, "intermediate_size": 88, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    },
    "generation": (4, 8, 8), "training": (4, 16), "rank": 4, "product": 256, "copy": 1 << 16, "repeats": 3,
}
WORDS = {
    "generate": "generation, sampled", "generate_greedy": "generation, greedy", "train_full": "training step, all weights",
    "train_lora": "training step, adapters",
}


class Bench:
    def __init__(self, shapes, device):
        self.shapes, self.device = shapes, device
        self.cuda = device.startswith("cuda")

    def time(self, call, repeats):
        """Median seconds of a call, after two that warm up."""
        seconds = []
        for i in range(repeats + 2):
            if self.cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            call()
            if self.cuda:
                torch.cuda.synchronize()
            if i > 1:
                seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    def model(self, dtype):
        config = transformers.LlamaConfig(
            **self.shapes["model"], tie_word_embeddings=True, bos_token_id=None, eos_token_id=None, pad_token_id=0)
        config._attn_implementation = "sdpa"
        torch.manual_seed(0)
        return transformers.LlamaForCausalLM(config).to(device=self.device, dtype=dtype)

    def ceilings(self):
        n, count, repeats = self.shapes["product"], self.shapes["copy"], self.shapes["repeats"]
        random = lambda *shape: (torch.rand(*shape, device=self.device) * 2 - 1).to(torch.bfloat16)
        a, b = random(n, n), random(n, n)
        out = torch.empty_like(a)
        yield "product", self.time(lambda: torch.mm(a, b, out=out), repeats)
        values = random(count)
        target = torch.empty_like(values)
        yield "copy", self.time(lambda: target.copy_(values), repeats)

    def generation(self, sampled):
        count, length, new = self.shapes["generation"]
        model = self.model(torch.bfloat16).eval()
        prompts = torch.randint(0, self.shapes["model"]["vocab_size"], (count, length), device=self.device)
        mask = torch.ones_like(prompts)
        for cache in ("growing", "static"):
            options = {"cache_implementation": "static"} if cache == "static" else {}

            def call():
                with torch.inference_mode():
                    model.generate(
                        prompts, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=sampled,
                        temperature=1.0 if sampled else None, top_k=0 if sampled else None, top_p=None, **options)

            try:
                yield f"{cache} cache", self.time(call, min(self.shapes["repeats"], 3))
            except Exception as error:  # a compiler that is not there, for one
                print(f"{cache} cache: {str(error).splitlines()[0]}", file=sys.stderr)

    def step(self, model, autocast):
        count, length = self.shapes["training"]
        texts = torch.randint(0, self.shapes["model"]["vocab_size"], (count, length), device=self.device)
        learned = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(learned, lr=1e-5, weight_decay=0.0, fused=self.cuda)
        model.train()

        def call():
            context = torch.autocast(self.device.split(":")[0], torch.bfloat16) if autocast else contextlib.nullcontext()
            with context:
                loss = model(input_ids=texts, labels=texts).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            loss.item()

        return self.time(call, self.shapes["repeats"])

    def full(self):
        yield "autocast", self.step(self.model(torch.float32), True)
        yield "pure bfloat16", self.step(self.model(torch.bfloat16), False)

    def lora(self):
        try:
            import peft
        except ImportError:
            print("no peft: no peer for adapters", file=sys.stderr)
            return
        settings = peft.LoraConfig(
            r=self.shapes["rank"], lora_alpha=32, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
        yield "float32 adapters, autocast", self.step(peft.get_peft_model(self.model(torch.bfloat16), settings), True)
        adapted = peft.get_peft_model(self.model(torch.bfloat16), settings, autocast_adapter_dtype=False)
        yield "bfloat16 adapters", self.step(adapted, False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    options, _ = parser.parse_known_args()
    device = options.device if options.device.startswith("cuda") else "cpu"
    bench = Bench(TINY if options.tiny else SMOLLM2, device)
    ours = {line["piece"]: line for line in map(json.loads, sys.stdin)}
    card = torch.cuda.get_device_name() if bench.cuda else "processor"
    print(f"{card}; torch {torch.__version__}, transformers {transformers.__version__}; medians, seconds")
    theirs = dict(bench.ceilings())
    product = max(ours["product"]["flops"] / s for s in (ours["product"]["seconds"], theirs["product"]))
    copy = max(ours["copy"]["bytes"] / s for s in (ours["copy"]["seconds"], theirs["copy"]))
    print(f"ceilings: product {product / 1e12:.1f} TFLOP/s, copy {copy / 1e12:.3f} TB/s (the better of both)\n")
    print("| work | rewardlab | tokens/s | share of ceiling | Transformers, best | by | ratio |")
    print("|---|---|---|---|---|---|---|")
    pieces = {
        "generate": lambda: bench.generation(True), "generate_greedy": lambda: bench.generation(False),
        "train_full": bench.full, "train_lora": bench.lora,
    }
    for piece, peers in pieces.items():
        own = ours[piece]
        share = own["flops"] / own["seconds"] / product + own["bytes"] / own["seconds"] / copy
        seen = {name: seconds for name, seconds in peers()}
        best = min(seen, key=seen.get) if seen else None
        peer = f"{seen[best]:.4f} | {best} | {seen[best] / own['seconds']:.2f}" if seen else "- | - | -"
        print(f"| {WORDS[piece]} | {own['seconds']:.4f} | {own['tokens'] / own['seconds']:.0f} | {share:.1%} | {peer} |")


if __name__ == "__main__":
    main()
