//! The regimes of the linear world, a cell each.

use super::WorldParams;
use rewardlab::error::Result;
use rewardlab::experiment::Profile;
use std::fmt;

/// Which errors the teacher makes, and what students are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regime {
    /// Errors most of which no student can predict.
    A,
    /// Errors that every student can represent.
    B,
    /// The same with representations that differ in nothing but size.
    Plain,
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
            Self::Plain => "plain",
        })
    }
}

impl Regime {
    /// Its world.
    pub(crate) fn params(self, profile: Profile) -> WorldParams {
        let params = match self {
            Self::A => WorldParams::regime_a(),
            Self::B => WorldParams::regime_b(),
            Self::Plain => WorldParams::plain(),
        };
        match profile {
            Profile::Smoke => params.small(),
            Profile::Paper => params,
        }
    }
}

/// An experiment's worlds by regime, each with the name of its parameter.
#[derive(Debug)]
pub(crate) struct Regimes<'a, const N: usize>(pub(crate) [(Regime, &'static str, &'a WorldParams); N]);

impl<'a, const N: usize> Regimes<'a, N> {
    pub(crate) fn validate(&self) -> Result<()> {
        self.0.iter().try_for_each(|(_, name, world)| world.validate().map_err(|e| e.within(name)))
    }

    /// A cell for each.
    pub(crate) fn cells(&self) -> Vec<Regime> {
        self.0.iter().map(|(regime, ..)| *regime).collect()
    }

    /// The world of one of the cells.
    pub(crate) fn world(&self, regime: Regime) -> &'a WorldParams {
        let own = self.0.iter().find(|(r, ..)| *r == regime);
        own.expect("a cell is one of its experiment's regimes").2
    }
}
