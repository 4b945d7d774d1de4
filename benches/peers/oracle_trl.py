"""Answers the oracle's cases with TRL's own loss code, as installed from PyPI.

rewardlab oracle export --out cases.jsonl
python oracle_trl.py cases.jsonl > answers.jsonl          (float64; `float32` behind it: as trainers compute)
rewardlab oracle check answers.jsonl

Trainers are made without a model: their own methods are called on an object that hands on the case's log-probabilities where a model's would be, and the
case's rewards where reward functions' would be. `causal_lm` is the loss that Transformers gives its causal models, which
SFTTrainer takes. What is left out TRL does not have, or only in the middle of a longer method.
"""

import json
import sys
from collections import defaultdict
from types import SimpleNamespace

import torch
import transformers
import trl
from transformers.loss.loss_utils import ForCausalLMLoss
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer, RLOOTrainer

from trl.experimental.cpo import CPOTrainer

DTYPE = getattr(torch, sys.argv[2] if len(sys.argv) > 2 else "float64")
torch.set_default_dtype(DTYPE)


class OneProcess:
    device, num_processes, process_index, sync_gradients = torch.device("cpu"), 1, 0, True

    def gather(self, x):
        return x

    gather_for_metrics = gather

    def reduce(self, x, reduction=None):
        return x


def bare(trainer, **settings):
    """A trainer that knows its settings and nothing else: what it does not know is None."""

    class Bare(trainer):
        def __init__(self):
            self.__dict__.update(settings)
            self.accelerator = OneProcess()
            self.model = SimpleNamespace(training=False)
            self.aux_loss_enabled = False
            self._metrics = defaultdict(lambda: defaultdict(list))
            self._tp_size, self._total_train_tokens = 1, 0

        def __getattr__(self, name):
            return None

    return Bare()


def answer(leaf, loss):
    loss = loss.sum() if loss.dim() else loss
    loss.backward()
    gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    return {"loss": loss.item(), "gradient": gradient}


def leaf_of(case, name="log_probs"):
    return torch.tensor(case["inputs"][name], requires_grad=True)


def given(case, name):
    return torch.tensor(case["inputs"][name])


def tokens(case, trainer, leaf, **more):
    """What GRPO and RLOO are handed."""
    mask = given(case, "mask")
    trainer._get_per_token_logps_and_entropies = lambda *a, **k: (leaf, torch.zeros_like(leaf), None)
    empty = torch.zeros(len(mask), 0)
    ids = {"prompt_ids": empty, "prompt_mask": empty, "completion_ids": mask, "completion_mask": mask}
    return {**ids, **more}


def grpo(case, loss_type, **more):
    leaf = leaf_of(case)
    settings = {"use_bias_correction_kl": more.pop("use_bias_correction_kl", False), "delta": None}
    trainer = bare(
        GRPOTrainer,
        loss_type=loss_type,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        beta=more.pop("beta", 0.0),
        epsilon_low=case["inputs"].get("clip", 0.2),
        epsilon_high=case["inputs"].get("clip", 0.2),
        max_completion_length=4,
        current_gradient_accumulation_steps=1,
        args=SimpleNamespace(**settings),
    )
    old = given(case, "old_log_probs")
    inputs = tokens(case, trainer, leaf, old_per_token_logps=old, **more)
    inputs.setdefault("advantages", torch.tensor(case["inputs"].get("advantages", [0.0] * len(old))))
    return answer(leaf, trainer._compute_loss(None, inputs))


def k3(case, corrected):
    reference = {"ref_per_token_logps": given(case, "reference_log_probs")}
    # without advantages the penalty is all there is; on the policy's own samples the ratio is one
    return grpo(case, "bnpo", beta=1.0, use_bias_correction_kl=corrected, **reference)


def rloo(case):
    leaf = leaf_of(case)
    clip = case["inputs"]["clip"]
    trainer = bare(RLOOTrainer, epsilon_low=clip, epsilon_high=clip)
    old = (given(case, "old_log_probs") * given(case, "mask")).sum(1)
    inputs = tokens(case, trainer, leaf, old_logps=old, advantages=given(case, "advantages"))
    return answer(leaf, trainer._compute_loss(None, inputs))


def advantages(case, trainer, **settings):
    """One prompt per row, one completion per column; what the trainer makes of their rewards."""
    rows = case["inputs"]["rewards"]
    group = max(map(len, rows))
    # a completion that no reward function could score
    rewards = torch.tensor([row + [float("nan")] * (group - len(row)) for row in rows])
    count = rewards.numel()
    bare_trainer = bare(
        trainer,
        num_generations=group,
        num_generations_eval=group,
        reward_weights=torch.ones(1),
        reward_funcs=[None],
        reward_func_names=["reward"],
        beta=0.0,
        num_iterations=1,
        multi_objective_aggregation="sum_then_normalize",
        normalize_advantages=False,
        mask_truncated_completions=False,
        chat_template_kwargs={},
        _tokenizer=SimpleNamespace(pad_token_id=0),
        _logs={"prompt": [], "completion": [], "advantages": [], "rewards": defaultdict(list), "extra": defaultdict(list)},
        _pending_extra_logs={},
        _pending_metrics={},
        args=SimpleNamespace(
            per_device_train_batch_size=count,
            per_device_eval_batch_size=count,
            steps_per_generation=1,
            gradient_accumulation_steps=1,
            gradient_checkpointing_kwargs=None,
        ),
        **settings,
    )
    bare_trainer.model = Plain()
    bare_trainer.processing_class = SimpleNamespace(batch_decode=lambda ids, **_: [""] * count)
    ids, texts = [[1]] * count, [""] * count
    said = (ids, ids, None, texts, None, {}, None, None) if trainer is GRPOTrainer else (ids, ids, texts)
    bare_trainer._generate = lambda *_: said
    bare_trainer._calculate_rewards = lambda *_: rewards.reshape(-1, 1)
    bare_trainer._get_per_token_logps_and_entropies = lambda *a, **k: (torch.zeros(count, 1), None, None)
    out = bare_trainer._generate_and_score_completions([{"prompt": ""} for _ in range(count)])
    table = out["advantages"].reshape(rewards.shape).tolist()
    return {"advantages": [one[: len(row)] for one, row in zip(table, rows)]}


def causal_lm(case):
    leaf = leaf_of(case, "logits")
    labels = torch.tensor(case["inputs"]["labels"]).long()[None]
    # it would be made float32 whatever it was
    original, torch.Tensor.float = torch.Tensor.float, lambda self: self.to(DTYPE)
    try:
        loss = ForCausalLMLoss(leaf[None], labels, vocab_size=leaf.shape[1])
    finally:
        torch.Tensor.float = original
    return answer(leaf, loss)


def simpo(case):
    rows, lengths = leaf_of(case), given(case, "lengths")
    settings = {"loss_type": "simpo", "simpo_gamma": 0.5, "alpha": 0.0, "label_smoothing": 0.0}
    trainer = bare(CPOTrainer, beta=case["inputs"]["beta"], **settings)
    per_token = rows / lengths
    return answer(rows, trainer.cpo_loss(per_token[:, 0], per_token[:, 1])[0].mean())


def kto(case):
    rows, reference, lengths = leaf_of(case), given(case, "reference_log_probs"), given(case, "lengths")
    column_by_column = lambda x: x.T.reshape(-1)
    mask, policy, frozen = completions(*map(column_by_column, (rows, reference, lengths)))
    weights = {"desirable_weight": 1.0, "undesirable_weight": 1.5}
    trainer = bare(
        KTOTrainer,
        loss_type="kto",
        calculate_KL=True,
        precompute_ref_logps=False,
        beta=case["inputs"]["beta"],
        ref_model=frozen,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        **weights,
    )
    trainer.model = Plain()
    # the estimate of the KL is the case's, not that of mismatched completions
    trainer._compute_kl_logps = lambda model, batch: torch.tensor([0.0 if model is frozen else 0.2])
    good = torch.arange(len(mask)) < len(mask) // 2
    inputs = {"input_ids": torch.zeros_like(mask).long(), "attention_mask": mask, "completion_mask": mask, "label": good}
    return answer(rows, trainer._compute_loss(policy, inputs, False))


def completions(leaf, reference, lengths):
    """Sums over tokens as the first token of completions of these lengths, and the models that say so."""
    longest = int(lengths.max())
    mask = (torch.arange(longest + 1) <= lengths[:, None]).to(DTYPE)
    mask[:, 0] = 0  # the prompt

    def model(sums):
        pad = torch.zeros(len(sums), longest - 1)
        zeros = torch.zeros(len(sums), longest)
        log_probs = torch.cat([sums[:, None], pad], 1)
        said = SimpleNamespace(log_probs=log_probs, entropy=zeros, mean_logits=zeros, is_top1=zeros.bool())
        return lambda **_: said

    return mask, model(leaf), model(reference)


def dpo(case, loss_type, **settings):
    rows, reference, lengths = leaf_of(case), given(case, "reference_log_probs"), given(case, "lengths")
    column_by_column = lambda x: x.T.reshape(-1)
    mask, policy, frozen = completions(*map(column_by_column, (rows, reference, lengths)))
    trainer = bare(
        DPOTrainer,
        loss_types=[loss_type],
        loss_weights=[1.0],
        beta=case["inputs"]["beta"],
        f_divergence_type="reverse_kl",
        ref_model=frozen,
        args=SimpleNamespace(gradient_checkpointing_kwargs=None),
        **settings,
    )
    trainer.model = Plain()
    inputs = {"input_ids": torch.zeros_like(mask).long(), "attention_mask": mask, "completion_mask": mask}
    return answer(rows, trainer._compute_loss(policy, inputs, False))


class Plain(torch.nn.Module):
    """A model that is asked only whether it trains, and whether it checkpoints."""

    is_gradient_checkpointing = False

    def __init__(self):
        super().__init__()
        self.eval()


def bradley_terry(case):
    rows = leaf_of(case, "scores")
    trainer = bare(RewardTrainer, args=SimpleNamespace(center_rewards_coefficient=None))
    said = SimpleNamespace(logits=rows.T.reshape(-1, 1))
    return answer(rows, trainer.compute_loss(lambda **_: said, {}))


ANSWERS = {
    "grpo": lambda case: grpo(case, "grpo"),
    "grpo_token_mean": lambda case: grpo(case, "bnpo"),
    "dr_grpo": lambda case: grpo(case, "dr_grpo"),
    "k3": lambda case: k3(case, False),
    "k3_corrected": lambda case: k3(case, True),
    "rloo": rloo,
    "dpo": lambda case: dpo(case, "sigmoid"),
    "conservative_dpo": lambda case: dpo(case, "sigmoid", label_smoothing=0.1),
    "ipo": lambda case: dpo(case, "ipo"),
    "ipo_token_mean": lambda case: dpo(case, "ipo"),
    "simpo": simpo,
    "kto": kto,
    "bradley_terry": bradley_terry,
    "causal_lm": causal_lm,
    "grpo_advantages": lambda case: advantages(case, GRPOTrainer, scale_rewards="group"),
    "grpo_batch_advantages": lambda case: advantages(case, GRPOTrainer, scale_rewards="batch"),
    "dr_grpo_advantages": lambda case: advantages(case, GRPOTrainer, scale_rewards="none"),
    "rloo_advantages": lambda case: advantages(case, RLOOTrainer),
}


def plain(value):
    return value.tolist() if isinstance(value, torch.Tensor) else value


def main():
    failed = defaultdict(str)
    for line in open(sys.argv[1]):
        case = json.loads(line)
        if case["objective"] not in ANSWERS:
            continue
        try:
            said = ANSWERS[case["objective"]](case)
        except Exception as error:  # another version may be put together differently
            failed[case["objective"]] = f"{type(error).__name__}: {error}"
            continue
        print(json.dumps({"id": case["id"], **{name: plain(value) for name, value in said.items()}}))
    print(f"TRL {trl.__version__}, Transformers {transformers.__version__}, torch {torch.__version__}, {DTYPE}", file=sys.stderr)
    for objective, error in failed.items():
        print(f"not answered: {objective}: {error}", file=sys.stderr)


main()
