"""Makes the golden values beside it: tiny random models of five architectures, with Hugging Face Transformers.

    python make.py        (transformers 5.23.0, torch 2.15.0, CPU)

Per architecture a folder with config.json and model.safetensors, gradients.safetensors (of the loss) and golden.json:
two sequences of different lengths, the logits after every token, the mean next-token loss over both (nats).
"""

import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCAB = 29
# no pad_token_id: with one, Transformers leaves the gradient of that token's embedding out
ROTARY = dict(
    vocab_size=VOCAB, hidden_size=24, num_hidden_layers=2, intermediate_size=40, max_position_embeddings=32,
    bos_token_id=0, eos_token_id=0,
)  # fmt: skip
MODELS = {
    "gpt2": (
        GPT2LMHeadModel,
        GPT2Config(
            vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=32, bos_token_id=0, eos_token_id=0,
            resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        ),
    ),
    "gpt_neox": (GPTNeoXForCausalLM, GPTNeoXConfig(num_attention_heads=3, rotary_pct=0.5, **ROTARY)),
    "llama": (LlamaForCausalLM, LlamaConfig(num_attention_heads=4, num_key_value_heads=2, **ROTARY)),
    "qwen2": (
        Qwen2ForCausalLM,
        Qwen2Config(num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, **ROTARY),
    ),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(num_attention_heads=4, num_key_value_heads=1, head_dim=10, **ROTARY)),
}

for name, (model_class, config) in MODELS.items():
    torch.manual_seed(0)
    config._attn_implementation = "eager"
    model = model_class(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    folder = pathlib.Path(__file__).parent / name
    model.save_pretrained(folder)
    for extra in folder.glob("generation_config.json"):
        extra.unlink()
    sequences = [torch.randint(0, VOCAB, (n,)) for n in (19, 7)]
    logits = [model(s[None]).logits[0] for s in sequences]
    nll = [torch.nn.functional.cross_entropy(l[:-1], s[1:], reduction="sum") for l, s in zip(logits, sequences)]
    loss = sum(nll) / sum(len(s) - 1 for s in sequences)
    loss.backward()
    save_file(
        {n: p.grad.contiguous() for n, p in model.named_parameters() if p.grad is not None},
        folder / "gradients.safetensors",
    )
    golden = {
        "sequences": [s.tolist() for s in sequences],
        "loss": loss.item(),
        "logits": [[[round(v, 6) for v in row] for row in l.tolist()] for l in logits],
    }
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, loss.item())
