//! The losses and their strengths.

use super::Params;
use rewardlab::algorithm::PreferenceLoss;

/// A loss whose strength is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Dpo,
    Conservative,
    Ipo,
    Kto,
    Orpo,
    Simpo,
    Unlikelihood,
    Preferred,
}

impl Family {
    pub(super) const ALL: [Self; 8] = [
        Self::Dpo,
        Self::Conservative,
        Self::Ipo,
        Self::Kto,
        Self::Orpo,
        Self::Simpo,
        Self::Unlikelihood,
        Self::Preferred,
    ];

    /// In rows.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dpo => "dpo",
            Self::Conservative => "cdpo",
            Self::Ipo => "ipo",
            Self::Kto => "kto",
            Self::Orpo => "orpo",
            Self::Simpo => "simpo",
            Self::Unlikelihood => "unlikelihood",
            Self::Preferred => "preferred",
        }
    }

    /// In the figure.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Dpo => "DPO",
            Self::Conservative => "cDPO",
            Self::Ipo => "IPO",
            Self::Kto => "KTO",
            Self::Orpo => "ORPO",
            Self::Simpo => "SimPO",
            Self::Unlikelihood => "unlikelihood",
            Self::Preferred => "Preferred-FT",
        }
    }

    /// The parameter that holds its strengths.
    pub(super) fn list(self) -> &'static str {
        match self {
            Self::Dpo | Self::Conservative | Self::Kto | Self::Preferred => "betas",
            Self::Ipo => "taus",
            Self::Orpo => "lambdas",
            Self::Simpo => "simpo_betas",
            Self::Unlikelihood => "alphas",
        }
    }

    /// Preferred-FT has none: as many repeats.
    pub(super) fn strengths(self, p: &Params) -> Vec<f64> {
        match self {
            Self::Dpo | Self::Conservative | Self::Kto => p.betas.clone(),
            Self::Ipo => p.taus.clone(),
            Self::Orpo => p.lambdas.clone(),
            Self::Simpo => p.simpo_betas.clone(),
            Self::Unlikelihood => p.alphas.clone(),
            Self::Preferred => (0..p.betas.len()).map(|repeat| repeat as f64).collect(),
        }
    }

    pub(super) fn loss(self, p: &Params, strength: f64) -> PreferenceLoss {
        match self {
            Self::Dpo => PreferenceLoss::Dpo { beta: strength },
            Self::Conservative => PreferenceLoss::ConservativeDpo { beta: strength, smoothing: p.smoothing },
            Self::Ipo => PreferenceLoss::Ipo { tau: strength },
            Self::Kto => PreferenceLoss::Kto { beta: strength },
            Self::Orpo => PreferenceLoss::Orpo { lambda: strength },
            Self::Simpo => PreferenceLoss::Simpo { beta: strength, margin: p.simpo_margin },
            Self::Unlikelihood => PreferenceLoss::Unlikelihood { alpha: strength },
            Self::Preferred => PreferenceLoss::Preferred,
        }
    }
}
