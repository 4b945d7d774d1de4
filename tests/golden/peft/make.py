"""Makes the golden values beside it: low-rank adapters of ../lm/llama by PEFT, and what PEFT makes of ours.

    python make.py        (peft 0.21.2, transformers 5.23.0, torch 2.15.0, CPU)

theirs/: adapters of all linear maps of the blocks with random factors, as PEFT saves them. theirs_some/: of q_proj and v_proj alone, rank 3.
ours/: written by tests/peft.rs (REWARDLAB_WRITE_PEFT=1), then read here by PEFT. golden.json: the log-probability of every token but the first of
two sequences, in nats, under the model with each of the three.
"""

import json
import os
import pathlib

import peft
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaForCausalLM

HERE = pathlib.Path(__file__).parent
BASE = "../lm/llama"
# the adapters name their base by this path
os.chdir(HERE)
SEQUENCES = [[1, 5, 9, 2, 17, 28, 4, 4, 11], [3, 14, 27, 8]]


def log_probs(model):
    rows = []
    for ids in SEQUENCES:
        ids = torch.tensor([ids])
        with torch.no_grad():
            logits = model(input_ids=ids).logits[0].double()
        table = torch.log_softmax(logits, -1)
        rows.append([table[i, t].item() for i, t in enumerate(ids[0, 1:])])
    return rows


def base():
    return LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float32).eval()


def make(name, **settings):
    torch.manual_seed(1)
    model = get_peft_model(base(), LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **settings)).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                p.copy_(0.3 * torch.randn_like(p))
    model.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink(missing_ok=True)
    (HERE / name / "adapter_model.safetensors").chmod(0o644)
    return log_probs(model)


linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
golden = {
    "peft": peft.__version__,
    "sequences": SEQUENCES,
    "base": log_probs(base()),
    "theirs": make("theirs", r=4, lora_alpha=6, target_modules=linear),
    "theirs_some": make("theirs_some", r=3, lora_alpha=3, target_modules=["q_proj", "v_proj"]),
}
if (HERE / "ours").exists():
    golden["ours"] = log_probs(PeftModel.from_pretrained(base(), HERE / "ours").eval())
(HERE / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")
