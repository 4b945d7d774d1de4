"""Makes the TRL logs beside it: six trainers, a few steps each, on tiny random models (CPU, no network).

    python make_trl.py            (TRL 1.16.0, transformers 5.23.0, torch 2.15.0, datasets 5.2.0)

Per trainer trl_<name>.jsonl holds the logged dicts, one per line, trl_<name>.config.json the arguments that differ from the defaults.
trl_grpo_state.json is the trainer_state.json of the GRPO run.

What the catalogue says of GRPO, RLOO and DPO is recomputed here from completions, rewards and the models' whole next-token distributions, without
TRL's own code for it; trl_check.json holds both numbers of each and the exact per-token KL at the same contexts beside the logged estimate.
"""

import json
import pathlib
import sys
import tempfile

import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
WORDS = ["<pad>", "<eos>", "<unk>"] + [chr(ord("a") + i) for i in range(26)]
STEPS = 24


def tokenizer():
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def config():
    return LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1,
        initializer_range=0.3,
    )


def model(seed=0, kind=LlamaForCausalLM, **more):
    torch.manual_seed(seed)
    settings = config()
    for name, value in more.items():
        setattr(settings, name, value)
    return kind(settings)


PROMPTS = [f"{x} {y}" for x in "abcd" for y in "efgh"]


def pays_vowels(completions, **_):
    """1 if the completion holds an a or an e, which is neither rare nor sure."""
    return [float(any(w in "ae" for w in c.split())) for c in completions]


def kept(name, trainer, given):
    lines = [json.dumps(line) for line in trainer.state.log_history]
    (HERE / f"trl_{name}.jsonl").write_text("\n".join(lines) + "\n")
    (HERE / f"trl_{name}.config.json").write_text(json.dumps({"trainer": name.split("_")[0], **given}, indent=1) + "\n")


def common(folder, given):
    return dict(
        output_dir=folder, max_steps=STEPS, logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, seed=1,
        disable_tqdm=True, bf16=False, **given,
    )


def log_probs(network, ids, mask, length, temperature=1.0):
    """Whole next-token distributions before each of the last `length` tokens."""
    with torch.no_grad():
        logits = network(input_ids=ids, attention_mask=mask).logits[:, :-1][:, -length:]
    return torch.log_softmax(logits.double() / temperature, -1)


class Watched:
    """Keeps what the trainer is about to log, recomputed."""

    found = None

    def _generate_and_score_completions(self, inputs):
        self.paid = []
        made = super()._generate_and_score_completions(inputs)
        ids = torch.cat([made["prompt_ids"], made["completion_ids"]], 1)
        mask = torch.cat([made["prompt_mask"], made["completion_mask"]], 1)
        on, length = made["completion_mask"].double(), made["completion_ids"].shape[1]
        new, old = log_probs(self.model, ids, mask, length), log_probs(self.ref_model, ids, mask, length)
        taken = made["completion_ids"].unsqueeze(-1)
        ratio = (old.gather(-1, taken) - new.gather(-1, taken)).squeeze(-1)
        tokens = on.sum()
        rewards = torch.tensor(self.paid, dtype=torch.float64)
        groups = rewards.view(-1, self.num_generations)
        sequence_kl = (-ratio * on).sum(-1)
        shaped = (rewards - self.beta * sequence_kl).view(-1, self.num_generations)
        self.found.append({
            "reward": rewards.mean().item(),
            "reward_std_batch": rewards.std().item(),
            "reward_std_within": groups.std(1).mean().item(),
            "dead_groups": (groups.std(1) < 1e-8).double().mean().item(),
            "dead_groups_after_kl": (shaped.std(1) < 1e-8).double().mean().item(),
            "kl_k1": ((-ratio * on).sum() / tokens).item(),
            "kl_k3": (((ratio.exp() - ratio - 1) * on).sum() / tokens).item(),
            "kl_exact": (((new.exp() * (new - old)).sum(-1) * on).sum() / tokens).item(),
            "kl_k3_sequence_means": (((ratio.exp() - ratio - 1) * on).sum(1) / on.sum(1)).mean().item(),
            "entropy": ((-(new.exp() * new).sum(-1) * on).sum() / tokens).item(),
            "mean_length": (tokens / len(rewards)).item(),
        })
        return made


class WatchedGRPO(Watched, trl.GRPOTrainer):
    pass


class WatchedRLOO(Watched, trl.RLOOTrainer):
    pass


class WatchedDPO(trl.DPOTrainer):
    found = None

    def _compute_loss(self, network, inputs, return_outputs=False):
        ids, mask, on = inputs["input_ids"], inputs["attention_mask"], inputs["completion_mask"][:, 1:].double()
        taken = ids[:, 1:].unsqueeze(-1)
        new, old = (log_probs(m, ids, mask, ids.shape[1] - 1) for m in (network, self.ref_model))
        new_sum, old_sum = ((d.gather(-1, taken).squeeze(-1) * on).sum(1) for d in (new, old))
        chosen, rejected = (new_sum - old_sum).chunk(2)
        self.found.append({
            "logps/chosen": new_sum.chunk(2)[0].mean().item(),
            "logps/rejected": new_sum.chunk(2)[1].mean().item(),
            "rewards/chosen": self.beta * chosen.mean().item(),
            "rewards/margins": self.beta * (chosen - rejected).mean().item(),
            "loss": -torch.nn.functional.logsigmoid(self.beta * (chosen - rejected)).mean().item(),
            "entropy": ((-(new.exp() * new).sum(-1) * on).sum() / on.sum()).item(),
        })
        return super()._compute_loss(network, inputs, return_outputs)


def online(name, folder, given):
    kind, settings = {"grpo": (WatchedGRPO, trl.GRPOConfig), "rloo": (WatchedRLOO, trl.RLOOConfig)}[name]
    held = []

    def reward(completions, **more):
        paid = pays_vowels(completions)
        held[0].paid.extend(paid)
        return paid

    args = settings(
        per_device_train_batch_size=16, num_generations=4, max_completion_length=6, learning_rate=3e-3, temperature=1.0,
        **common(folder, given),
    )
    # the reference is read from where the policy was
    start = f"{folder}/start"
    model().save_pretrained(start)
    tokenizer().save_pretrained(start)
    trainer = kind(
        model=start, reward_funcs=reward, args=args, processing_class=tokenizer(),
        train_dataset=Dataset.from_dict({"prompt": PROMPTS * 8}),
    )
    trainer.found = []
    held.append(trainer)
    trainer.train()
    kept(name, trainer, {"num_generations": 4, "temperature": 1.0, **given})
    if name == "grpo":
        trainer.state.save_to_json(str(HERE / "trl_grpo_state.json"))
    logged = [line for line in trainer.state.log_history if "reward" in line]
    sampled = "kl_k3" if name == "grpo" else "kl_k1"
    dead = "dead_groups" if name == "grpo" else "dead_groups_after_kl"
    pairs = {
        "reward": "reward", "reward_std": "reward_std_batch", "frac_reward_zero_std": dead, "kl": sampled, "entropy": "entropy",
        "completions/mean_length": "mean_length",
    }
    return compared(logged, trainer.found, pairs)


def compared(logged, found, pairs):
    """The largest difference of each over the steps, and the means of all that was recomputed."""
    worst = {
        key: max(abs(line[key] - mine[own]) for line, mine in zip(logged, found, strict=True)) for key, own in pairs.items()
    }
    means = {key: sum(mine[key] for mine in found) / len(found) for key in found[0]}
    return {
        "is": pairs, "steps": len(found), "largest_difference": worst, "means_recomputed": means,
        "means_logged": {key: sum(line[key] for line in logged) / len(logged) for key in pairs},
    }


def aligned(name):
    """For the displaced run: the rejected token's output embedding is 1.5 times the chosen's, both frozen, as in arXiv:2410.08847's case of
    embeddings that point one way. What tells the pair apart moves the hidden state away from both."""
    made = model()
    if name == "dpo_displaced":
        head = made.lm_head.weight
        head.requires_grad_(False)
        head[WORDS.index("n")] = 1.5 * head[WORDS.index("m")]
    return made


def offline(name, folder, given):
    # completions begin with a blank, so that no token reaches over the prompt's end
    pairs = {"prompt": PROMPTS * 4, "chosen": [" i j k", " l m"] * 32, "rejected": [" i j l", " l m n o"] * 32}
    if name == "dpo_displaced":
        pairs["chosen"], pairs["rejected"] = [" m"] * 64, [" n"] * 64
    more = dict(per_device_train_batch_size=8, learning_rate=3e-3, **common(folder, given))
    if name.startswith("dpo"):
        args = trl.DPOConfig(max_length=32, **more)
        trainer = WatchedDPO(model=aligned(name), ref_model=aligned(name), args=args, processing_class=tokenizer(), train_dataset=Dataset.from_dict(pairs))
        trainer.found = []
    elif name == "kto":
        data = {
            "prompt": PROMPTS * 8, "completion": pairs["chosen"] + pairs["rejected"], "label": [True] * 64 + [False] * 64,
        }
        args = trl.KTOConfig(max_length=32, **more)
        trainer = trl.KTOTrainer(model=model(), ref_model=model(), args=args, processing_class=tokenizer(), train_dataset=Dataset.from_dict(data).shuffle(seed=0))
    elif name == "reward":
        args = trl.RewardConfig(max_length=32, **more)
        trainer = trl.RewardTrainer(model=model(kind=LlamaForSequenceClassification, num_labels=1), args=args, processing_class=tokenizer(), train_dataset=Dataset.from_dict(pairs))
    else:
        args = trl.SFTConfig(max_length=32, **more)
        trainer = trl.SFTTrainer(model=model(), args=args, processing_class=tokenizer(), train_dataset=Dataset.from_dict({"text": [f"{p} {c}" for p, c in zip(pairs["prompt"], pairs["chosen"])]}))
    trainer.train()
    kept(name, trainer, given)
    if name.startswith("dpo"):
        logged = [line for line in trainer.state.log_history if "rewards/margins" in line]
        return compared(logged, trainer.found, {key: key for key in trainer.found[0]})
    return None


def main():
    only = sys.argv[1:]
    path = HERE / "trl_check.json"
    check = json.loads(path.read_text()) if path.exists() else {}
    runs = {
        "grpo": (online, {"beta": 0.04}), "rloo": (online, {"beta": 0.05}), "dpo": (offline, {"beta": 0.1}), "dpo_displaced": (offline, {"beta": 0.1}), "kto": (offline, {"beta": 0.1}),
        "reward": (offline, {}), "sft": (offline, {}),
    }
    for name, (run, given) in runs.items():
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            said = run(name, folder, given)
        if said:
            check[name] = said
            print(name, json.dumps(said["largest_difference"]))
    check["versions"] = {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__}
    path.write_text(json.dumps(check, indent=1) + "\n")


main()
