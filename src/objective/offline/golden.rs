//! Golden values from PyTorch 2.15.0 in f64: its own `nll_loss`, `cross_entropy`, `logsumexp`, `kl_div` and autograd; V-trace by its
//! definition, the sum over all later temporal differences.

use super::*;
use approx::assert_relative_eq;

// The script:
//
//   import torch
//   torch.set_default_dtype(torch.float64)
//   i = torch.arange(6.0)
//   x0 = -1 - 0.5 * torch.sin(i)
//   adv, beh, val = 0.6 * torch.cos(2 * i), -1 - 0.5 * torch.sin(i + 0.8), 0.3 * torch.cos(i)
//   rew = torch.tensor([0.0, 0.0, 1.0, 0.0, -0.5, 0.25])
//   def show(name, f, at=x0):
//       x = at.clone().requires_grad_()
//       loss = f(x); loss.backward()
//       print(name, f"{loss.item():.15g}", [float(f"{g:.15g}") for g in x.grad])
//   show("weighted", lambda x: (adv * torch.nn.functional.nll_loss(x[:, None], torch.zeros(6, dtype=torch.long), reduction="none")).mean())
//   show("gold", lambda x: -(torch.maximum(x.exp(), torch.tensor(0.3)).detach() * adv * x).mean())
//   top = adv.topk(3).indices
//   psi = torch.zeros(6); psi[top] = torch.softmax(adv[top] / 0.4, 0)
//   show("vmpo policy", lambda x: torch.nn.functional.cross_entropy(torch.stack([x, torch.log1p(-x.exp())], 1), torch.zeros(6, dtype=torch.long), reduction="none") @ psi)
//   print("psi", [float(f"{p:.15g}") for p in psi])
//   show("temperature", lambda e: (0.1 * e + e * (torch.logsumexp(adv[top] / e, 0) - torch.log(torch.tensor(3.0)))).sum(), torch.tensor([0.4]))
//   show("behaviour kl", lambda x: torch.nn.functional.kl_div(x, torch.log_softmax(beh, 0), log_target=True, reduction="sum"), torch.log_softmax(x0, 0))
//   # v-trace by its definition: v_s = V_s + sum_t g^(t-s) prod_{s<=i<t} c_i delta_t, sequences of 3, 2, 1 tokens
//   g, rho, c = 0.9, (x0 - beh).exp().clamp(max=1.1), (x0 - beh).exp().clamp(max=0.95)
//   v, a = torch.zeros(6), torch.zeros(6)
//   for lo, hi in [(0, 3), (3, 5), (5, 6)]:
//       nxt = lambda z, t: z[t + 1] if t + 1 < hi else torch.tensor(0.0)
//       for s in range(lo, hi):
//           v[s] = val[s] + sum(g ** (t - s) * c[s:t].prod() * rho[t] * (rew[t] + g * nxt(val, t) - val[t]) for t in range(s, hi))
//       for s in range(lo, hi):
//           a[s] = rho[s] * (rew[s] + g * nxt(v, s) - val[s])
//   print("vtrace", [float(f"{z:.15g}") for z in v], [float(f"{z:.15g}") for z in a])

fn sequence(f: impl Fn(f64) -> f64) -> [f64; 6] {
    std::array::from_fn(|i| f(i as f64))
}

fn log_probs() -> [f64; 6] {
    sequence(|i| -1.0 - 0.5 * i.sin())
}

fn advantages() -> [f64; 6] {
    sequence(|i| 0.6 * (2.0 * i).cos())
}

fn behaviour() -> [f64; 6] {
    sequence(|i| -1.0 - 0.5 * (i + 0.8).sin())
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert_relative_eq!(g, e, max_relative = 1e-12, epsilon = 1e-14);
    }
}

#[test]
fn weighted_and_gold() {
    let (x, a) = (log_probs(), advantages());
    let mut weights = [0.0; 6];
    assert_relative_eq!(weighted_nll_loss(&x, &a, 1.0, &mut weights), -0.004_134_766_676_120_43, max_relative = 1e-12);
    assert_close(
        &weights,
        &[
            -0.1,
            0.041_614_683_654_714_2,
            0.065_364_362_086_361_2,
            -0.096_017_028_665_036_6,
            0.014_550_003_380_861_4,
            0.083_907_152_907_645_2,
        ],
    );
    let mut weights = [0.0; 6];
    assert_relative_eq!(gold_loss(&x, &a, 0.3, 1.0, &mut weights), -0.005_045_321_240_838_85, max_relative = 1e-12);
    assert_close(
        &weights,
        &[
            -0.036_787_944_117_144_2,
            0.012_484_405_096_414_3,
            0.019_609_308_625_908_4,
            -0.032_916_220_271_040_5,
            0.007_814_589_799_537_16,
            0.049_857_702_715_131_6,
        ],
    );
}

#[test]
fn vmpo() {
    let (x, a) = (log_probs(), advantages());
    let (mut psi, mut weights) = ([0.0; 6], [0.0; 6]);
    vmpo_weights(&a, 0.4, &mut psi);
    assert_close(&psi, &[0.471_390_175_767_571, 0.0, 0.0, 0.444_051_958_714_165, 0.084_557_865_518_263_9, 0.0]);
    assert_relative_eq!(vmpo_policy_loss(&x, &psi, 1.0, &mut weights), 0.999_335_506_185_304, max_relative = 1e-12);
    assert_close(&weights, &psi.map(|p| -p));
    let (value, slope) = vmpo_temperature_loss(&a, 0.4, 0.1);
    assert_close(&[value, slope], &[0.501_382_736_229_255, -0.074_721_909_370_036_3]);
}

#[test]
fn behaviour_kl() {
    let (mut x, mut b, mut weights) = (log_probs(), behaviour(), [0.0; 6]);
    crate::num::log_softmax(&mut x);
    crate::num::log_softmax(&mut b);
    assert_relative_eq!(behaviour_kl_loss(&x, &b, 1.0, &mut weights), 0.034_430_567_456_652_8, max_relative = 1e-12);
    assert_close(
        &weights,
        &[
            -0.108_750_988_803_45,
            -0.095_661_411_390_630_2,
            -0.131_662_882_161_774,
            -0.211_382_175_473_467,
            -0.256_164_831_989_669,
            -0.196_377_710_181_01,
        ],
    );
}

#[test]
fn v_trace() {
    let (x, b, values) = (log_probs(), behaviour(), sequence(|i| 0.3 * i.cos()));
    let rewards = [0.0, 0.0, 1.0, 0.0, -0.5, 0.25];
    let (mut targets, mut corrected) = ([0.0; 6], [0.0; 6]);
    let settings = VTrace { rho_bar: 1.1, c_bar: 0.95, gamma: 0.9 };
    vtrace(settings, &[3, 2, 1], [&x, &b], &rewards, &values, &mut targets, &mut corrected);
    assert_close(
        &targets,
        &[
            0.496_799_997_884_118,
            0.590_547_081_282_408,
            0.719_234_065_469_859,
            -0.380_825_597_056_192,
            -0.465_720_320_985_881,
            0.266_490_134_436_103,
        ],
    );
    assert_close(
        &corrected,
        &[
            0.254_641_610_469_584,
            0.518_422_554_341_741,
            0.844_078_116_434_002,
            -0.083_827_848_076_058_3,
            -0.269_627_234_726_798,
            0.181_391_478_797_135,
        ],
    );
}
