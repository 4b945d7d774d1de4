//! Golden values from TRL 1.16.0 and from the original DPO code (github.com/eric-mitchell/direct-preference-optimization, its
//! `preference_loss`), run on one batch in f64. PyTorch 2.15.0.

use super::*;
use approx::assert_relative_eq;

// The script; `trainers.py` of the original code lies beside it.
//
//   import ast, inspect, textwrap
//   import torch, torch.nn.functional as F
//   import trl.trainer.dpo_trainer as dpo, trl.trainer.kto_trainer as kto, trl.trainer.reward_trainer as reward
//   import trl.experimental.orpo.orpo_trainer as orpo, trl.experimental.cpo.cpo_trainer as cpo
//   from types import SimpleNamespace as N
//   from typing import Tuple
//   torch.set_default_dtype(torch.float64)
//   torch.Tensor.float = lambda x: x
//   i = torch.arange(8.0)
//   lengths = torch.tensor([3.0, 2, 5, 1, 4, 2, 3, 6])
//   log_probs, reference = -lengths * (1 + 0.5 * torch.sin(i)), -lengths * (1.1 - 0.4 * torch.cos(i))
//   def show(name, f):
//       x = log_probs.clone().requires_grad_()
//       loss = f(x); loss.backward()
//       print(name, f"{loss.item():.15g}", [float(f"{v:.15g}") for v in x.grad])
//   def excerpt(module, first, last, after=0):
//       lines = inspect.getsource(module).split("\n")
//       a = next(k for k, l in enumerate(lines) if k >= after and l.strip().startswith(first))
//       b = next(k for k, l in enumerate(lines) if k > a and l.strip().startswith(last))
//       return textwrap.dedent("\n".join(lines[a:b]))
//
//   # the original code
//   tree = ast.parse(open("trainers.py").read())
//   found = [n for n in tree.body if getattr(n, "name", None) == "preference_loss"]
//   scope = dict(torch=torch, F=F, Tuple=Tuple)
//   exec(compile(ast.Module(found, []), "trainers.py", "exec"), scope)
//   def original(**k): return lambda x: scope["preference_loss"](x[:4], x[4:], reference[:4], reference[4:], **k)[0].mean()
//   show("original dpo", original(beta=0.3)); show("original cdpo", original(beta=0.3, label_smoothing=0.1))
//   show("original ipo", original(beta=0.3, ipo=True))
//
//   # trl 1.16.0
//   def of_dpo(loss_type):
//       code = excerpt(dpo, 'if loss_type == "sigmoid":', 'elif loss_type == "exo_pair"')
//       def f(x):
//           ratios = x - reference
//           s = dict(torch=torch, F=F, loss_type=loss_type, self=N(beta=0.3), completion_mask=(torch.arange(6) < lengths[:, None]).to(x),
//               chosen_scores=ratios[:4], rejected_scores=ratios[4:], delta_score=ratios[:4] - ratios[4:])
//           exec(code, s); return s["per_sequence_loss"].mean()
//       return f
//   show("trl dpo", of_dpo("sigmoid")); show("trl ipo", of_dpo("ipo"))
//   def of_kto(x):
//       code = excerpt(kto, "# Chosen losses", 'self._metrics[mode]["kl"]')
//       s = dict(torch=torch, F=F, kl=torch.tensor(0.2), chosen_logps=x[:4], ref_chosen_logps=reference[:4], rejected_logps=x[4:], ref_rejected_logps=reference[4:],
//           self=N(beta=0.3, loss_type="kto", desirable_weight=1.3, undesirable_weight=0.8, accelerator=N(device="cpu")))
//       exec(code, s); return s["losses"].nanmean()
//   show("trl kto", of_kto)
//   def of_orpo(x):
//       mean = x / lengths
//       odds = orpo.ORPOTrainer.odds_ratio_loss(N(beta=0.4, accelerator=N(device="cpu")), mean[:4], mean[4:])[0]
//       return -odds.mean()
//   show("trl orpo, odds", of_orpo)
//   def of_simpo(x):
//       mean = x / lengths
//       return cpo.CPOTrainer.cpo_loss(N(beta=2.0, loss_type="simpo", simpo_gamma=1.0, label_smoothing=0.0, alpha=0.0, accelerator=N(device="cpu")), mean[:4], mean[4:])[0].mean()
//   show("trl simpo", of_simpo)
//   def of_reward(x):
//       s = dict(nn=torch.nn, inputs={}, rewards_chosen=x[:4], rewards_rejected=x[4:], self=N(args=N(center_rewards_coefficient=None)))
//       exec(excerpt(reward, 'if "margin" in inputs:', "if self.args.center"), s); return s["loss"]
//   show("trl reward", of_reward)

const LENGTHS: [usize; 8] = [3, 2, 5, 1, 4, 2, 3, 6];

fn log_probs() -> [f64; 8] {
    std::array::from_fn(|i| -(LENGTHS[i] as f64) * (1.0 + 0.5 * (i as f64).sin()))
}

fn reference() -> [f64; 8] {
    std::array::from_fn(|i| -(LENGTHS[i] as f64) * (1.1 - 0.4 * (i as f64).cos()))
}

fn check(value: f64, gradient: [f64; 8], loss: impl Fn(&[f64], &[f64], &mut [f64]) -> f64) {
    let mut weights = [0.0; 8];
    let got = loss(&log_probs(), &reference(), &mut weights);
    assert_relative_eq!(got, value, max_relative = 1e-12);
    for (got, expected) in weights.iter().zip(gradient) {
        assert_relative_eq!(*got, expected, max_relative = 1e-12);
    }
}

#[test]
fn the_original_code() {
    check(
        0.883_445_864_093_394,
        [
            -0.057_070_370_259_274_4,
            -0.048_453_595_078_401_9,
            -0.040_351_248_433_453_3,
            -0.018_988_426_736_483_5,
            0.057_070_370_259_274_4,
            0.048_453_595_078_401_9,
            0.040_351_248_433_453_3,
            0.018_988_426_736_483_5,
        ],
        |lp, r, w| dpo_loss(lp, r, 0.3, 1.0, w),
    );
    check(
        0.862_691_498_574_22,
        [
            -0.049_570_370_259_274_4,
            -0.040_953_595_078_401_9,
            -0.032_851_248_433_453_3,
            -0.011_488_426_736_483_5,
            0.049_570_370_259_274_4,
            0.040_953_595_078_401_9,
            0.032_851_248_433_453_3,
            0.011_488_426_736_483_5,
        ],
        |lp, r, w| conservative_dpo_loss(lp, r, 0.3, &[0.9; 4], 1.0, w),
    );
    check(
        13.128_206_044_972_9,
        [
            -2.763_050_725_332_15,
            -1.836_187_011_230_82,
            -1.087_267_731_977_27,
            0.969_547_767_261_938,
            2.763_050_725_332_15,
            1.836_187_011_230_82,
            1.087_267_731_977_27,
            -0.969_547_767_261_938,
        ],
        |lp, r, w| ipo_loss(lp, r, 0.3, 1.0, w),
    );
}

#[test]
fn trl() {
    check(
        0.883_445_864_093_394,
        [
            -0.057_070_370_259_274_4,
            -0.048_453_595_078_401_9,
            -0.040_351_248_433_453_3,
            -0.018_988_426_736_483_5,
            0.057_070_370_259_274_4,
            0.048_453_595_078_401_9,
            0.040_351_248_433_453_3,
            0.018_988_426_736_483_5,
        ],
        |lp, r, w| dpo_loss(lp, r, 0.3, 1.0, w),
    );
    check(
        4.470_796_620_710_75,
        [
            -0.451_087_560_444_346,
            -0.667_380_086_141_037,
            -0.171_049_627_989_997,
            -0.355_587_735_479_853,
            0.338_315_670_333_259,
            0.667_380_086_141_037,
            0.285_082_713_316_661,
            0.059_264_622_579_975_5,
        ],
        |lp, r, w| ipo_token_mean_loss(lp, r, &LENGTHS, 0.3, 1.0, w),
    );
    let settings = Kto { beta: 0.3, desirable: 1.3, undesirable: 0.8 };
    let good = [true, true, true, true, false, false, false, false];
    check(
        0.561_589_367_243_081,
        [
            -0.011_861_625_959_548_7,
            -0.011_753_229_160_925_2,
            -0.011_837_387_574_924_8,
            -0.012_173_574_316_109_7,
            0.006_348_742_816_303_89,
            0.007_410_302_837_347_55,
            0.007_432_770_941_506_51,
            0.005_859_828_233_260_73,
        ],
        |lp, r, w| kto_loss(lp, r, &good, 0.2, settings, 1.0, w),
    );
    // the odds-ratio term alone: two values of λ
    check(
        0.456_992_586_836_674,
        [
            -0.035_117_412_869_365_4,
            -0.054_146_735_085_543_5,
            -0.018_433_980_049_610_3,
            -0.062_165_104_422_319_8,
            0.035_965_203_191_227_6,
            0.101_203_598_431_561,
            0.040_817_192_106_360_4,
            0.009_262_356_780_325_5,
        ],
        |lp, _, w| orpo_loss(lp, &LENGTHS, 0.4, 1.0, w) - orpo_loss(lp, &LENGTHS, 0.0, -1.0, w),
    );
    check(
        2.008_646_517_572_43,
        [
            -0.142_134_790_478_84,
            -0.235_674_294_860_231,
            -0.089_923_133_890_222_3,
            -0.309_361_721_498_099,
            0.106_601_092_859_13,
            0.235_674_294_860_231,
            0.149_871_889_817_037,
            0.051_560_286_916_349_8,
        ],
        |lp, _, w| simpo_loss(lp, &LENGTHS, 2.0, 1.0, 1.0, w),
    );
    check(
        1.909_595_247_246_84,
        [
            -0.156_412_796_862_535,
            -0.214_549_260_740_826,
            -0.247_729_566_282_363,
            -0.000_251_592_201_616_856,
            0.156_412_796_862_535,
            0.214_549_260_740_826,
            0.247_729_566_282_363,
            0.000_251_592_201_616_856,
        ],
        |lp, _, w| bradley_terry_loss(lp, &[1.0; 4], 1.0, w),
    );
}
