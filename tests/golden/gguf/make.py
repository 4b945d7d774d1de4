"""Makes the GGUF files beside it, with the reference writer (gguf 0.19.0) and llama.cpp's rules for names and row orders.

    python make.py

One file per architecture in ../lm, from the same weights, as llama.cpp's convert_hf_to_gguf.py lays them out, with a
vocabulary of 29 tokens. And types.gguf: for every quantised type 4 rows of 256 numbers in a tensor of that type; beside
it types.safetensors with the same tensors as the reference decodes them.
"""

import json
import pathlib

import gguf
import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent
TOKENS = ["<s>", "</s>", "Ġ", *"abcdefghiklmnoprstuvwy", "th", "he", "the", "Ġt"]
MERGES = ["t h", "h e", "th e", "Ġ t"]
PARTS = {
    "input_layernorm": "attn_norm", "ln_1": "attn_norm", "post_attention_layernorm": "ffn_norm", "ln_2": "ffn_norm",
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "self_attn.o_proj": "attn_output",
    "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "attention.query_key_value": "attn_qkv",
    "attention.dense": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down", "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down",
}  # fmt: skip
ENDS = {
    "embed_tokens": "token_embd", "wte": "token_embd", "embed_in": "token_embd", "wpe": "position_embd",
    "norm": "output_norm", "ln_f": "output_norm", "final_layer_norm": "output_norm", "lm_head": "output",
    "embed_out": "output",
}  # fmt: skip


def name_of(name):
    stem, kind = name.rsplit(".", 1)
    words = stem.split(".")
    for i, word in enumerate(words):
        if word.isdigit():
            return f"blk.{word}.{PARTS['.'.join(words[i + 1 :])]}.{kind}"
    return f"{ENDS[words[-1]]}.{kind}"


def permute(w, heads):
    return w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def lay_out(arch, config, name, w):
    heads = config.get("num_attention_heads")
    if arch == "llama" and "q_proj" in name:
        return permute(w, heads)
    if arch == "llama" and "k_proj" in name:
        return permute(w, config["num_key_value_heads"])
    if arch == "gpt2" and w.ndim == 2 and ".h." in name:
        return w.T
    if arch == "gptneox" and "query_key_value" in name:
        rows = w.reshape(heads, 3, -1, *w.shape[1:])
        return np.concatenate([rows[:, i].reshape(-1, *w.shape[1:]) for i in range(3)])
    return w


def model(arch, folder, pre):
    source = HERE.parent / "lm" / folder
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(HERE / f"{arch}.gguf", arch)
    writer.add_context_length(32)
    writer.add_embedding_length(24)
    writer.add_block_count(2)
    writer.add_feed_forward_length(config.get("intermediate_size", 96))
    writer.add_head_count(config.get("num_attention_heads", config.get("n_head")))
    if "num_key_value_heads" in config:
        writer.add_head_count_kv(config["num_key_value_heads"])
    if "head_dim" in config:
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
    if arch == "gptneox":
        writer.add_rope_dimension_count(4)
        writer.add_parallel_residual(True)
    if arch in ("gpt2", "gptneox"):
        writer.add_layer_norm_eps(1e-5)
    else:
        writer.add_layer_norm_rms_eps(1e-6)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, 3] + [1] * 27)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(arch == "llama")
    if arch == "llama":
        writer.add_chat_template("{% for m in messages %}<s>{{ m['content'].strip() }}</s>{% endfor %}")
    for name, w in load_file(source / "model.safetensors").items():
        writer.add_tensor(name_of(name), np.ascontiguousarray(lay_out(arch, config, name, w)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for arguments in [
    ("llama", "llama", "llama-bpe"),
    ("qwen2", "qwen2", "qwen2"),
    ("qwen3", "qwen3", "qwen2"),
    ("gpt2", "gpt2", "gpt-2"),
    ("gptneox", "gpt_neox", "olmo"),
]:
    model(*arguments)

rng = np.random.default_rng(0)
writer = gguf.GGUFWriter(HERE / "types.gguf", "llama")
decoded = {}
QUANTISED = gguf.GGMLQuantizationType
for kind in "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K".split():
    kind_of = QUANTISED[kind]
    values = rng.standard_normal((4, 256)).astype(np.float32)
    if kind.endswith("_K"):
        # the reference only decodes these: any bytes are blocks, if the scales in half precision are finite
        block = gguf.GGML_QUANT_SIZES[kind_of][1]
        data = rng.integers(0, 256, (4, block), dtype=np.uint8)
        halves = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}[kind]
        for at in halves:
            data[:, at : at + 2] = rng.uniform(0.01, 0.1, (4, 1)).astype(np.float16).view(np.uint8)
    elif kind == "F32":
        data = values
    elif kind == "F16":
        data = values.astype(np.float16)
    else:
        data = gguf.quants.quantize(values, kind_of)
    writer.add_tensor(kind, data, raw_dtype=None if kind in ("F32", "F16") else kind_of)
    decoded[kind] = data.astype(np.float32) if kind in ("F32", "F16") else gguf.quants.dequantize(data, kind_of)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
save_file(decoded, HERE / "types.safetensors")
