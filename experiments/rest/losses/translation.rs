//! The translation half: the loop with each loss.

use super::super::translation::{DataSet, Pays, Standing, THRESHOLDS, TranslationSetup, above};
use super::Row;
use super::training::Loss;
use rewardlab::algorithm::{Critic, OfflineLoss, Report, RestParams};
use rewardlab::error::{Error, Result};
use rewardlab::experiment::{Context, Profile};
use serde::{Deserialize, Serialize};

/// WMT's part, on which Figures 5 and 13 are, and IWSLT's, on which Figure 14 is.
pub(super) const SETS: [DataSet; 2] = [DataSet::News, DataSet::Talks];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Data, model and loop. Its learning rate is BC's.
    setup: TranslationSetup,
    /// GOLD's learning rate of the first Improve step behind a Grow; positive.
    gold_rate: f64,
    /// OAC's; positive.
    oac_rate: f64,
    /// BVMPO's; positive.
    bvmpo_rate: f64,
    /// GOLD: the smallest weight of a token; in [0, 1].
    floor: f64,
    /// OAC and BVMPO: the behaviour's value; steps and minibatch at least 1, learning rate positive.
    critic: Critic,
    /// BVMPO: η at the start of an Improve step; positive.
    eta: f64,
    /// BVMPO: ε, nats; positive.
    epsilon: f64,
    /// BVMPO: log η moves by this times the temperature loss's slope; positive.
    eta_rate: f64,
    /// BVMPO: the weight of the KL at an Improve step's start; positive.
    kl_from: f64,
    /// At its end; positive.
    kl_to: f64,
}

impl Params {
    pub(super) fn of_profile(profile: Profile) -> Self {
        let mut setup = TranslationSetup::of_profile(profile).only(&SETS);
        // of 1e-3 and 3e-3 the better one for each loss, by held-out reward on the news at seed 100
        setup.rest.learning_rate = 3e-3;
        let paper = Self {
            setup,
            gold_rate: 3e-3,
            oac_rate: 3e-3,
            bvmpo_rate: 3e-3,
            floor: 0.1,
            critic: Critic { steps: 300, minibatch: 32, learning_rate: 1e-3 },
            eta: 1.0,
            epsilon: 0.1,
            eta_rate: 0.1,
            kl_from: 1.0,
            kl_to: 1e-5,
        };
        match profile {
            Profile::Smoke => Self { critic: Critic { steps: 5, ..paper.critic }, ..paper },
            Profile::Paper => paper,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        self.setup.validate().map_err(|e| e.within("setup"))?;
        let rates = [("gold_rate", self.gold_rate), ("oac_rate", self.oac_rate), ("bvmpo_rate", self.bvmpo_rate)];
        Error::check_positive(&rates)?;
        Loss::ALL.into_iter().try_for_each(|loss| self.offline(loss).validate())
    }

    fn offline(&self, loss: Loss) -> OfflineLoss {
        let &Self { floor, critic, eta, epsilon, eta_rate, kl_from, kl_to, .. } = self;
        match loss {
            Loss::Bc => OfflineLoss::Bc,
            Loss::Gold => OfflineLoss::Gold { floor },
            Loss::Oac => OfflineLoss::Oac { critic },
            Loss::Bvmpo => OfflineLoss::Bvmpo { critic, eta, epsilon, eta_rate, kl_from, kl_to },
        }
    }

    fn settings(&self, set: DataSet, loss: Loss) -> RestParams {
        let standard = self.setup.loop_of(Some(set), 2, above(&THRESHOLDS));
        let learning_rate = match loss {
            Loss::Bc => standard.learning_rate,
            Loss::Gold => self.gold_rate,
            Loss::Oac => self.oac_rate,
            Loss::Bvmpo => self.bvmpo_rate,
        };
        RestParams { loss: self.offline(loss), learning_rate, ..standard }
    }
}

pub(super) fn measure(p: &Params, set: DataSet, loss: Loss, ctx: &Context) -> Result<Vec<Row>> {
    let settings = p.settings(set, loss);
    let standings = p.setup.standings(ctx, set, &Pays::Truth, &settings)?;
    let run = p.setup.run(ctx, set, &Pays::Truth, &settings)?;
    let supervised = standings.first().map_or(f64::NAN, |s| s.worth.reward);
    let row = |s: &Standing| {
        let improved = run.reports.iter().find_map(|report| match report {
            Report::Improved(i) if (i.grow, i.improve) == (s.grow, s.improve) => Some(*i),
            _ => None,
        });
        Row {
            world: "translation".into(),
            task: set.name().into(),
            policy: "transformer".into(),
            loss: loss.name().into(),
            critic: "learned".into(),
            grow: s.grow,
            improve: s.improve,
            threshold: s.threshold,
            learning_rate: settings.learning_rate,
            samples: s.samples,
            kept: improved.map_or(0, |i| i.kept),
            supervised,
            cloned: None,
            value: s.worth.reward,
            entropy: None,
            greedy: Some(s.worth.greedy),
            bleu: Some(s.worth.bleu),
            held_out: improved.map(|i| i.held_out),
            training_loss: improved.map(|i| i.loss),
        }
    };
    Ok(standings.iter().map(row).collect())
}
