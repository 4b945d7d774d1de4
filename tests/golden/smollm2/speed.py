"""The speed of Hugging Face Transformers at what examples/language_model.rs does (f32, CPU, one and two threads).

python speed.py FILE.gguf
"""

import pathlib
import sys
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LENGTH, TEXTS, REPLY = 128, 20, 64
path = pathlib.Path(sys.argv[1])
start = time.time()
model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
print(f"loaded in {time.time() - start:.2f} s")
story = "The quick brown fox jumps over the lazy dog, and 12 cats watch it from the old grey wall. " * 40
ids = tokenizer(story)["input_ids"]
chat = [{"role": "user", "content": "Name three colours."}]
prompt = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))["input_ids"]
for threads in (1, 2):
    torch.set_num_threads(threads)
    with torch.no_grad():
        start, total = time.time(), 0.0
        for i in range(TEXTS):
            text = torch.tensor([ids[7 * i : 7 * i + LENGTH]])
            log_probs = torch.log_softmax(model(text).logits[0, :-1], -1)
            total += log_probs.gather(1, text[0, 1:, None]).sum().item()
        speed = TEXTS * LENGTH / (time.time() - start)
        print(f"{threads} thread(s): scoring {speed:.0f} tokens/s, {-total / TEXTS / LENGTH:.4f} nats per token")
        for batch in (1, 16):
            start = time.time()
            model.generate(
                torch.tensor([prompt] * batch), max_new_tokens=REPLY, min_new_tokens=REPLY, do_sample=False
            )
            print(f"{threads} thread(s): greedy, batch {batch}: {batch * REPLY / (time.time() - start):.1f} tokens/s")
