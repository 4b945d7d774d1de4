"""Makes verl.jsonl, openrlhf_ppo.jsonl and openrlhf_dpo.jsonl beside it. No trainer ran: the keys and their order of magnitude follow the source of verl
0.9.1 (trainer/ppo/metric_utils.py, trainer/ppo/core_algos.py, workers/utils/losses.py, utils/tracking.py) and OpenRLHF 0.11.2
(trainer/ppo_trainer.py, trainer/ray/ppo_actor.py, trainer/dpo_trainer.py, utils/logging_utils.py); the numbers are of simulated binary rewards and
log-ratios, made as these files make them.

    python make_others.py        (Python 3.11, standard library only)
"""

import json
import math
import pathlib
import random
import statistics

HERE = pathlib.Path(__file__).parent
STEPS, PROMPTS, GROUP = 40, 16, 8


def batch(rng, step):
    """Rewards of groups whose prompts are learned at different rates, lengths, and per-token log-ratios to the reference."""
    groups = []
    for x in range(PROMPTS):
        p = 1 / (1 + math.exp(-(0.12 * step * (x % 3 == 0) + rng.gauss(0, 0.2) + (x - PROMPTS / 2) / 2)))
        groups.append([float(rng.random() < p) for _ in range(GROUP)])
    lengths = [[rng.randint(40, 200) for _ in group] for group in groups]
    # k1 has the KL as its mean: of d ~ N(k, 2 k), E exp(−d) = 1
    kl = 0.0004 * step
    ratios = [[[rng.gauss(kl, math.sqrt(2 * kl)) for _ in range(n)] for n in row] for row in lengths]
    return groups, lengths, ratios


def spread(key, values):
    return {f"{key}/mean": statistics.fmean(values), f"{key}/max": max(values), f"{key}/min": min(values)}


def flat(rows):
    return [v for row in rows for v in row]


def k3(d):
    return math.exp(-d) - 1 + d


def verl():
    rng, lines = random.Random(1), []
    for step in range(1, STEPS + 1):
        groups, lengths, ratios = batch(rng, step)
        advantages = []
        for group, row in zip(groups, lengths):
            middle, std = statistics.fmean(group), statistics.stdev(group)
            for reward, length in zip(group, row):
                advantages += [(reward - middle) / (std + 1e-6)] * length
        tokens = [d for row in ratios for sequence in row for d in sequence]
        data = {
            "training/global_step": step, "training/epoch": 0,
            "actor/entropy": 0.6 - 0.005 * step + rng.gauss(0, 0.01),
            "actor/pg_loss": rng.gauss(0, 0.01), "actor/pg_clipfrac": abs(rng.gauss(0, 1e-3)), "actor/ppo_kl": rng.gauss(2e-4, 1e-4),
            "actor/pg_clipfrac_lower": 0.0, "actor/kl_loss": statistics.fmean(k3(d) for d in tokens), "actor/kl_coef": 0.001,
            "actor/grad_norm": abs(rng.gauss(0.3, 0.05)), "actor/lr": 1e-6, "actor/loss": rng.gauss(0, 0.01),
            **spread("critic/score", flat(groups)), **spread("critic/rewards", flat(groups)), **spread("critic/advantages", advantages),
            **spread("critic/returns", advantages), **spread("response_length", flat(lengths)), "response_length/clip_ratio": 0.0,
            **spread("response_length_non_aborted", flat(lengths)), "response_length_non_aborted/clip_ratio": 0.0, "response/aborted_ratio": 0.0,
            "prompt_length/mean": 90.0, "prompt_length/max": 120.0, "prompt_length/min": 60.0, "prompt_length/clip_ratio": 0.0,
            "global_seqlen/min": 9000, "global_seqlen/max": 11000, "global_seqlen/mean": 10000.0,
            "timing_s/gen": 12.5, "timing_s/step": 40.0, "timing_per_token_ms/gen": 0.8,
            "perf/total_num_tokens": sum(flat(lengths)), "perf/time_per_step": 40.0, "perf/throughput": 400.0, "perf/mfu/actor": 0.3,
        }
        if step % 5 == 0:
            data["val-core/openai/gsm8k/reward/mean@1"] = 0.4 + 0.004 * step + rng.gauss(0, 0.005)
            data["val-aux/num_turns/mean"] = 2.0
        lines.append({"step": step, "data": data})
    return lines


def openrlhf_ppo():
    rng, lines = random.Random(2), []
    for step in range(1, STEPS + 1):
        groups, lengths, ratios = batch(rng, step)
        means = [statistics.fmean(sequence) for row in ratios for sequence in row]
        rewards = flat(groups)
        length = statistics.fmean(flat(lengths))
        status = {
            "policy_loss": rng.gauss(0, 0.01), "actor_lr": 5e-7, "actor_grad_norm": abs(rng.gauss(0.3, 0.05)),
            "reward": statistics.fmean(rewards), "return": rng.gauss(0, 0.01), "kl": statistics.fmean(means), "logprobs_diff": statistics.fmean(means),
            "group_reward_std": statistics.fmean(statistics.stdev(g) for g in groups), "response_clip_ratio": 0.0,
            "ppo_clip_ratio": abs(rng.gauss(0, 1e-3)), "ppo_kl": rng.gauss(2e-4, 1e-4), "response_length": length, "total_length": length + 90,
            "truncated": 0.0, "timing/make_experience": 10.0, "timing/ppo_train": 20.0, "timing/broadcast": 1.0, "timing/generation": 9.0,
            "timing/step_total": 40.0, "rollout/reward_mean": statistics.fmean(rewards), "rollout/reward_std": statistics.stdev(rewards),
            "rollout/response_length_mean": length, "rollout/truncated_rate": 0.0, "rollout/num_samples": float(len(rewards)),
        }
        lines.append({**{f"train/{k}": v for k, v in status.items()}, "train/global_step": step, "_step": step - 1, "_runtime": 40.0 * step, "_timestamp": 1.7e9 + 40.0 * step})
        if step % 10 == 0:
            lines.append({"eval/eval_math_pass1": 0.4 + 0.004 * step, "eval/eval_math_pass4": 0.6, "eval/eval_num_samples": 64.0, "eval/global_step": step})
    return lines


def openrlhf_dpo():
    rng, lines = random.Random(3), []
    for step in range(1, STEPS + 1):
        chosen, rejected = -0.01 * step + rng.gauss(0, 0.03), -0.03 * step + rng.gauss(0, 0.03)
        loss = math.log1p(math.exp(rejected - chosen))
        lines.append({
            "train/loss": loss, "train/acc": min(1.0, 0.5 + 0.01 * step), "train/chosen_reward": chosen, "train/reject_reward": rejected, "train/lr": 5e-7,
            "train/grad_norm": abs(rng.gauss(2, 0.2)), "train/loss_mean": loss, "train/acc_mean": min(1.0, 0.5 + 0.01 * step), "train/global_step": step,
        })
    return lines


for name, made in [("verl", verl()), ("openrlhf_ppo", openrlhf_ppo()), ("openrlhf_dpo", openrlhf_dpo())]:
    rounded = lambda v: float(f"{v:.6g}") if isinstance(v, float) else {k: rounded(x) for k, x in v.items()} if isinstance(v, dict) else v
    (HERE / f"{name}.jsonl").write_text("".join(json.dumps(rounded(line)) + "\n" for line in made))
