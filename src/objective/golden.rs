//! Golden values from TRL itself: its trainers' own methods, run on a small batch in f64.
//!
//! `grpo`, `rloo`: TRL 1.16.0. KL estimates, GAE, PPO's two losses and the controller: TRL 0.11.4, the last version with
//! them as methods that can be called alone. PyTorch 2.15.0.

use super::*;
use approx::assert_relative_eq;

// The script; the folder of an unpacked trl-0.11.4 wheel lies beside it.
//
//   import ast, inspect, textwrap, types
//   import numpy as np, torch, trl.trainer.grpo_trainer as grpo, trl.trainer.rloo_trainer as rloo
//   from types import SimpleNamespace as N
//   torch.set_default_dtype(torch.float64)
//   lengths = [3, 1, 2, 3, 2, 1]
//   i = torch.arange(12.0)
//   flat = {"new": -1 - 0.5 * torch.sin(i), "old": -1 - 0.5 * torch.sin(i + 0.8 * torch.cos(2 * i)),
//           "ref": -1.1 - 0.5 * torch.cos(i), "values": 0.3 * torch.cos(i), "vpreds": 0.3 * torch.cos(i) + 0.8 * torch.sin(3 * i + 1)}
//   rewards = torch.tensor([1.0, -0.5, 0.25, 0.0, 0.75, 0.5])
//   mask = torch.tensor([[float(t < n) for t in range(3)] for n in lengths])
//   def pad(x):
//       out = torch.zeros(6, 3); out[mask.bool()] = x
//       return out
//   def show(name, x): print(name, [float(f"{v:.15g}") for v in torch.as_tensor(x).detach().flatten()])
//
//   # trl 1.16.0, the trainers' own lines and methods, on stand-ins for the trainers
//   class Log(dict):
//       def __missing__(self, key): return self.setdefault(key, Log() if key in ("train", "eval") else [])
//   same = N(reduce=lambda x, reduction: x, gather=lambda x: x, num_processes=1)
//   def excerpt(module, first, last):
//       lines = inspect.getsource(module).split("\n")
//       a = next(k for k, l in enumerate(lines) if l.strip().startswith(first))
//       b = next(k for k, l in enumerate(lines) if k > a and l.strip().startswith(last))
//       return textwrap.dedent("\n".join(lines[a:b]))
//   def advantages_of(scale, num_generations, r):
//       scope = dict(torch=torch, nanstd=grpo.nanstd, rewards=r, num_generations=num_generations, self=N(scale_rewards=scale))
//       exec(excerpt(grpo, "mean_grouped_rewards = torch.nanmean(rewards.view", "is_std_zero"), scope)
//       return scope["advantages"]
//   show("grpo group", advantages_of("group", 3, rewards))
//   show("grpo batch", advantages_of("batch", 3, rewards))
//   show("grpo none", advantages_of("none", 3, rewards))
//   show("grpo single", advantages_of("group", 1, rewards))
//   scope = dict(torch=torch, nanstd=rloo.nanstd, rewards=rewards, num_generations=3)
//   exec(excerpt(rloo, "grouped_rewards = rewards.view", "# Normalize advantages"), scope)
//   show("rloo", scope["advantages"])
//
//   def stub(module, loss_type, beta, new):
//       return N(_get_per_token_logps_and_entropies=lambda *a, **k: (new, torch.zeros(6, 3), None), aux_loss_enabled=False,
//           top_entropy_quantile=1.0, off_policy_mask_threshold=None, importance_sampling_level="token", beta=beta,
//           args=N(use_bias_correction_kl=False, delta=None, steps_per_generation=1), loss_type=loss_type, epsilon_low=0.2, epsilon_high=0.2, use_vllm=False,
//           model=N(training=True), current_gradient_accumulation_steps=1, max_completion_length=3, accelerator=same,
//           _entropy_bonus_enabled=False, _metrics=Log(train=Log()))
//   ids = torch.zeros(6, 3)
//   adv = advantages_of("group", 3, rewards)
//   batch = dict(prompt_ids=ids, prompt_mask=ids, completion_ids=ids, completion_mask=mask, advantages=adv, old_per_token_logps=pad(flat["old"]),
//       ref_per_token_logps=pad(flat["ref"]), num_items_in_batch=mask.sum(), old_logps=pad(flat["old"]).sum(1))
//   for loss_type in ["grpo", "bnpo", "dapo", "dr_grpo"]:
//       for beta in [0.0, 0.1]:
//           new = pad(flat["new"]).requires_grad_()
//           trainer = stub(grpo, loss_type, beta, new)
//           loss = grpo.GRPOTrainer._compute_loss(trainer, None, batch)
//           loss.backward()
//           show(f"{loss_type} beta {beta}", loss); show("  grad", new.grad[mask.bool()])
//   print({k: v for k, v in trainer._metrics["train"].items()})
//   new = pad(flat["new"]).requires_grad_()
//   trainer = stub(rloo, "", 0.0, new)
//   loss = rloo.RLOOTrainer._compute_loss(trainer, None, dict(batch, advantages=scope["advantages"]))
//   loss.backward()
//   show("rloo loss", loss); show("  grad", new.grad[mask.bool()])
//   print({k: v for k, v in trainer._metrics["train"].items()})
//
//   # trl 0.11.4, the last version with PPOTrainer.compute_rewards, .compute_advantages and .loss as methods
//   def load(path, names, scope):
//       tree = ast.parse(open(path).read())
//       found = [n for n in ast.walk(tree) if getattr(n, "name", None) in names]
//       for n in found:
//           n.decorator_list = []
//           for a in getattr(getattr(n, "args", None), "args", []): a.annotation = None
//           if hasattr(n, "returns"): n.returns = None
//           exec(compile(ast.Module([n], []), path, "exec"), scope)
//       return scope
//   from typing import Optional
//   scope = dict(torch=torch, F=torch.nn.functional, np=np, Optional=Optional, flatten_dict=lambda d: {f"{a}/{b}": v for a, e in d.items() for b, v in e.items()})
//   old = "trl-0.11.4/trl/"
//   load(old + "core.py", ["masked_mean", "masked_var", "masked_whiten", "clip_by_value", "entropy_from_logits"], scope)
//   load(old + "trainer/ppo_trainer.py", ["compute_rewards", "_kl_penalty", "compute_advantages", "loss"], scope)
//   load(old + "trainer/utils.py", ["AdaptiveKLController"], scope)
//   for kind in ["kl", "mse"]:
//       ppo = N(config=N(kl_penalty=kind), kl_ctl=N(value=0.2)); ppo._kl_penalty = types.MethodType(scope["_kl_penalty"], ppo)
//       r, _, k = scope["compute_rewards"](ppo, rewards, pad(flat["new"]), pad(flat["ref"]), mask)
//       show(kind + " estimates", k[mask.bool()]); show(kind + " rewards", r[mask.bool()])
//   full = lambda x: torch.log_softmax(x, -1)
//   show("full", scope["_kl_penalty"](N(config=N(kl_penalty="full")), full(torch.tensor([[0.3, -1.0, 2.0, 0.0]])), full(torch.tensor([[1.0, 0.0, -0.5, 0.25]]))))
//   d = flat["ref"] - flat["new"]; show("k3", torch.exp(d) - d - 1)
//   config = N(gamma=0.99, lam=0.95, whiten_rewards=False, cliprange=0.2, cliprange_value=0.2, vf_coef=0.5, ratio_threshold=10.0)
//   ppo = N(config=config)
//   tokens = pad(torch.cos(3 * i))
//   values, whitened, returns = scope["compute_advantages"](ppo, pad(flat["values"]), tokens, mask)
//   show("gae returns", returns[mask.bool()]); show("gae whitened", whitened[mask.bool()])
//   new, vpreds = pad(flat["new"]).requires_grad_(), pad(flat["vpreds"]).requires_grad_()
//   pg, vf, stats = scope["loss"](ppo, pad(flat["old"]), values, torch.zeros(6, 3, 2), vpreds, new, mask, whitened, returns)
//   (pg + vf).backward()
//   show("ppo pg", pg); show("  grad", new.grad[mask.bool()]); show("ppo vf_coef * vf", vf); show("  grad", vpreds.grad[mask.bool()])
//   show("ppo pg clipfrac", stats["policy/clipfrac"]); show("ppo vf clipfrac", stats["val/clipfrac"])
//   control = scope["AdaptiveKLController"](0.2, 6.0, 10000)
//   show("control", [control.update(kl, 256) or control.value for kl in (3.0, 6.5, 20.0, 6.0)])

pub(crate) const LENGTHS: [usize; 6] = [3, 1, 2, 3, 2, 1];
pub(crate) const REWARDS: [f64; 6] = [1.0, -0.5, 0.25, 0.0, 0.75, 0.5];
const CLIP: f64 = 0.2;
const GROUP: [f64; 6] = [
    0.999_866_684_442_074,
    -0.999_866_684_442_074,
    0.0,
    -1.090_803_811_692_22,
    0.872_643_049_353_779,
    0.218_160_762_338_445,
];
const BATCH: [f64; 6] = [
    1.388_473_054_406_47,
    -1.388_473_054_406_47,
    0.0,
    -0.771_373_919_114_708,
    0.617_099_135_291_767,
    0.154_274_783_822_942,
];
const RLOO: [f64; 6] = [1.125, -1.125, 0.0, -0.625, 0.5, 0.125];
const GRPO: [f64; 1] = [0.010_787_392_986_157_8];
const GRPO_GRAD: [f64; 12] = [
    0.002_506_602_021_699_85,
    -0.049_981_199_132_255_7,
    -0.062_194_862_792_852_8,
    -0.009_881_666_613_880_63,
    0.001_172_086_539_873_38,
    0.004_282_306_831_943_49,
    0.087_201_058_000_129_7,
    0.063_788_684_662_880_5,
    0.052_197_499_696_350_4,
    -0.062_479_238_119_495_1,
    -0.064_891_277_390_198_6,
    -0.034_706_428_330_733_4,
];
const TOKEN_MEAN: [f64; 1] = [-0.020_878_594_190_576_5];
const TOKEN_MEAN_GRAD: [f64; 12] = [
    0.003_759_903_032_549_78,
    -0.074_971_798_698_383_6,
    -0.093_292_294_189_279_2,
    -0.004_940_833_306_940_32,
    0.001_172_086_539_873_38,
    0.004_282_306_831_943_49,
    0.130_801_587_000_195,
    0.095_683_026_994_320_8,
    0.078_296_249_544_525_5,
    -0.062_479_238_119_495_1,
    -0.064_891_277_390_198_6,
    -0.017_353_214_165_366_7,
];
const DR_GRPO: [f64; 1] = [-0.013_919_062_793_717_7];
const DR_GRPO_GRAD: [f64; 12] = [
    0.002_506_602_021_699_85,
    -0.049_981_199_132_255_7,
    -0.062_194_862_792_852_8,
    -0.003_293_888_871_293_55,
    0.000_781_391_026_582_251,
    0.002_854_871_221_295_66,
    0.087_201_058_000_129_7,
    0.063_788_684_662_880_5,
    0.052_197_499_696_350_4,
    -0.041_652_825_412_996_8,
    -0.043_260_851_593_465_7,
    -0.011_568_809_443_577_8,
];
const RLOO_LOSS: [f64; 1] = [-0.018_200_016_902_612_4];
const RLOO_GRAD: [f64; 12] = [
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.0,
    0.138_115_296_201_37,
    0.138_115_296_201_37,
    0.138_115_296_201_37,
    -0.057_109_305_859_997_8,
    -0.057_109_305_859_997_8,
    -0.024_206_007_243_984_2,
];
const K1: [f64; 12] = [
    0.6,
    -0.050_584_339_469_878_4,
    -0.562_722_131_686_412,
    -0.465_556_252_330_156,
    0.151_579_437_222_158,
    0.721_293_230_063_182,
    0.719_792_892_424_646,
    0.148_457_827_812_258,
    -0.467_429_140_215_998,
    -0.561_624_373_563_217,
    -0.047_525_209_093_541_3,
    0.602_207_952_269_377,
];
const K1_REWARDS: [f64; 12] = [
    -0.12,
    0.010_116_867_893_975_7,
    1.112_544_426_337_28,
    -0.406_888_749_533_969,
    -0.030_315_887_444_431_7,
    0.105_741_353_987_364,
    -0.143_958_578_484_929,
    -0.029_691_565_562_451_6,
    0.093_485_828_043_199_5,
    0.112_324_874_712_643,
    0.759_505_041_818_708,
    0.379_558_409_546_125,
];
const K2: [f64; 12] = [
    0.18,
    0.001_279_387_699_801_95,
    0.158_328_098_744_85,
    0.108_371_312_041_85,
    0.011_488_162_894_293_1,
    0.260_131_961_867_49,
    0.259_050_903_992_519,
    0.011_019_863_319_367,
    0.109_245_000_561_533,
    0.157_710_968_490_138,
    0.001_129_322_749_692_41,
    0.181_327_208_888_238,
];
const K2_REWARDS: [f64; 12] = [
    -0.036,
    -0.000_255_877_539_960_39,
    0.968_334_380_251_03,
    -0.521_674_262_408_37,
    -0.002_297_632_578_858_62,
    0.197_973_607_626_502,
    -0.051_810_180_798_503_8,
    -0.002_203_972_663_873_4,
    -0.021_849_000_112_306_7,
    -0.031_542_193_698_027_6,
    0.749_774_135_450_062,
    0.463_734_558_222_352,
];
const K3: [f64; 12] = [
    0.148_811_636_094_027,
    0.001_301_235_615_897_68,
    0.192_722_421_827_169,
    0.127_343_744_502_682,
    0.010_929_052_437_353_1,
    0.207_416_410_229_963,
    0.206_645_968_904_134,
    0.010_494_188_175_434_1,
    0.128_456_975_184_041,
    0.191_894_183_764_318,
    0.001_147_427_781_129_2,
    0.149_809_175_224_983,
];
const FULL: [f64; 1] = [1.084_253_655_065_57];
const RETURNS: [f64; 12] = [
    0.920_432_728_004_086,
    -0.093_132_122_528_501_3,
    0.960_170_286_650_366,
    -0.911_130_261_884_677,
    0.133_579_860_142_9,
    -0.759_687_912_858_821,
    0.529_544_077_365_087,
    -0.150_949_579_325_881,
    0.424_179_007_336_997,
    -0.159_525_532_321_349,
    0.154_251_449_887_584,
    -0.013_276_747_223_059_5,
];
const WHITENED: [f64; 12] = [
    0.954_718_027_469_293,
    -0.641_006_399_540_293,
    1.801_334_290_359,
    -1.295_054_647_407_04,
    0.424_860_722_301_704,
    -1.715_380_098_365_93,
    0.264_168_644_856_838,
    -0.863_142_519_671_192,
    0.676_625_265_218_765,
    0.031_495_864_780_621_6,
    0.563_903_653_677_711,
    -0.202_522_803_679_477,
];
const PPO: [f64; 1] = [-0.037_073_490_192_488_6];
const PPO_GRAD: [f64; 12] = [
    0.0,
    0.047_786_615_236_033_6,
    -0.156_731_435_132_219,
    0.0,
    -0.036_869_017_110_549_7,
    0.145_226_188_454_43,
    0.0,
    0.074_803_310_890_740_9,
    -0.051_647_372_347_895_5,
    -0.002_028_395_209_004_83,
    -0.041_670_768_046_962_7,
    0.019_609_073_811_749_6,
];
const VALUE: [f64; 1] = [0.060_451_115_762_252_8];
const VALUE_GRAD: [f64; 12] = [
    0.0,
    -0.014_592_465_914_891_6,
    0.0,
    0.0,
    0.0,
    0.0,
    -0.005_066_300_984_983_99,
    0.015_418_300_341_522_9,
    -0.023_904_600_731_575,
    0.004_287_961_850_093_37,
    -0.030_383_459_369_540_5,
    0.018_244_608_563_145_6,
];
const CONTROL: [f64; 4] = [0.198_976, 0.199_400_482_133_333, 0.200_421_412_601_856, 0.200_421_412_601_856];

fn each(f: impl Fn(f64) -> f64) -> [f64; 12] {
    std::array::from_fn(|i| f(i as f64))
}

pub(crate) fn new() -> [f64; 12] {
    each(|i| -1.0 - 0.5 * i.sin())
}

pub(crate) fn old() -> [f64; 12] {
    each(|i| -1.0 - 0.5 * (i + 0.8 * (2.0 * i).cos()).sin())
}

pub(crate) fn reference() -> [f64; 12] {
    each(|i| -1.1 - 0.5 * i.cos())
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert_relative_eq!(g, e, max_relative = 1e-12, epsilon = 1e-13);
    }
}

fn in_threes(rule: impl Fn(&[f64], &mut [f64])) -> [f64; 6] {
    let mut advantages = [f64::NAN; 6];
    in_groups(&REWARDS, 3, rule, &mut advantages);
    advantages
}

#[test]
fn advantages_are_trls() {
    assert_close(&in_threes(|r, a| grpo_advantages(r, 1e-4, a)), &GROUP);
    assert_close(&in_threes(rloo_advantages), &RLOO);
    let mut batch = [f64::NAN; 6];
    grpo_batch_advantages(&REWARDS, 3, 1e-4, &mut batch);
    assert_close(&batch, &BATCH);
}

/// −objective + 0.1 k3, the penalty averaged over tokens as the objective is.
#[test]
fn grpo_losses_are_trls() {
    let (lp, old, reference) = (new(), old(), reference());
    let mut w = [0.0; 12];
    let objective = grpo_token_mean_objective(&lp, &old, &LENGTHS, &GROUP, CLIP, -1.0, &mut w);
    let loss = 0.1 * k3_loss(&lp, &reference, 0.1, &mut w) - objective;
    assert_close(&[loss], &TOKEN_MEAN);
    assert_close(&w, &TOKEN_MEAN_GRAD);

    // one call of k3_loss per sequence is a mean over its tokens
    let penalty = |share: &dyn Fn(usize) -> f64, w: &mut [f64]| -> f64 {
        let of = |tokens: Range<usize>| {
            let scale = 0.1 * share(tokens.len());
            scale * k3_loss(&lp[tokens.clone()], &reference[tokens.clone()], scale, &mut w[tokens])
        };
        sequences(&LENGTHS, 12).map(of).sum()
    };
    let mut w = [0.0; 12];
    let objective = grpo_objective(&lp, &old, &LENGTHS, &GROUP, CLIP, -1.0, &mut w);
    assert_close(&[penalty(&|_| 1.0 / 6.0, &mut w) - objective], &GRPO);
    assert_close(&w, &GRPO_GRAD);
    let mut w = [0.0; 12];
    let objective = dr_grpo_objective(&lp, &old, &LENGTHS, &GROUP, 3, CLIP, -1.0, &mut w);
    assert_close(&[penalty(&|n| n as f64 / 18.0, &mut w) - objective], &DR_GRPO);
    assert_close(&w, &DR_GRPO_GRAD);
}

#[test]
fn rloo_loss_is_trls() {
    let mut w = [0.0; 12];
    assert_close(&[-rloo_objective(&new(), &old(), &LENGTHS, &RLOO, CLIP, -1.0, &mut w)], &RLOO_LOSS);
    assert_close(&w, &RLOO_GRAD);
}

#[test]
fn kl_estimates_are_trls() {
    let (lp, reference) = (new(), reference());
    let difference: Vec<f64> = lp.iter().zip(&reference).map(|(p, q)| p - q).collect();
    for (estimate, expected) in [(k1 as fn(f64) -> f64, K1), (k2, K2), (k3, K3)] {
        assert_close(&difference.iter().map(|d| estimate(*d)).collect::<Vec<_>>(), &expected);
    }
    for (estimate, expected) in [(k1 as fn(f64) -> f64, K1_REWARDS), (k2, K2_REWARDS)] {
        let mut rewards = [0.0; 12];
        kl_penalised_token_rewards(&lp, &reference, &LENGTHS, &REWARDS, 0.2, estimate, &mut rewards);
        assert_close(&rewards, &expected);
    }
    let (mut p, mut q) = ([0.3, -1.0, 2.0, 0.0], [1.0, 0.0, -0.5, 0.25]);
    crate::num::log_softmax(&mut p);
    crate::num::log_softmax(&mut q);
    assert_close(&[kl_loss(&p, &q, 0.0, &mut [0.0; 4])], &FULL);
}

#[test]
fn ppo_is_trls() {
    let (values, rewards) = (each(|i| 0.3 * i.cos()), each(|i| (3.0 * i).cos()));
    let mut advantages = [f64::NAN; 12];
    gae_advantages(&LENGTHS, &rewards, &values, 0.99, 0.95, &mut advantages);
    let returns: Vec<f64> = advantages.iter().zip(&values).map(|(a, v)| a + v).collect();
    whiten(&mut advantages);
    assert_close(&returns, &RETURNS);
    assert_close(&advantages, &WHITENED);

    let mut w = [0.0; 12];
    let policy = -ppo_clip_objective(&new(), &old(), &advantages, CLIP, -1.0 / 12.0, &mut w) / 12.0;
    assert_close(&[policy], &PPO);
    assert_close(&w, &PPO_GRAD);
    let predicted = each(|i| 0.3 * i.cos() + 0.8 * (3.0 * i + 1.0).sin());
    let mut w = [0.0; 12];
    assert_close(&[0.5 * clipped_value_loss(&predicted, &values, &returns, CLIP, 0.5, &mut w)], &VALUE);
    assert_close(&w, &VALUE_GRAD);
}

#[test]
fn the_controller_is_trls() {
    let mut control = AdaptiveKl::new(0.2, 6.0, 256.0 / 10_000.0).expect("legal");
    let path = [3.0, 6.5, 20.0, 6.0].map(|kl| {
        control.update(kl);
        control.beta()
    });
    assert_close(&path, &CONTROL);
}
