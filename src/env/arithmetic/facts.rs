//! What there is to know, numbered: a fact is (modulus, operation, value before).

use super::{MAX_MODULUS, Operation, Operator};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// The facts of some moduli, for every operator, operand and value.
///
/// Numbers are dense. A *pair* is a fact with the value that is claimed; a *group* is (operator, modulus).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    moduli: Vec<u8>,
    /// By modulus: its place, the first of its facts, the first of its pairs.
    starts: Vec<Option<(u32, u32, u32)>>,
    count: u32,
    pairs: u32,
}

impl Facts {
    /// Of these moduli.
    ///
    /// # Errors
    /// [`Error::Parameter`] for none, for one outside [2, [`MAX_MODULUS`]] or for the same one twice.
    pub fn new(moduli: &[u8]) -> Result<Self> {
        let mut starts = vec![None; usize::from(MAX_MODULUS) + 1];
        let (mut facts, mut pairs) = (0, 0);
        for (place, &modulus) in moduli.iter().enumerate() {
            if !(2..=MAX_MODULUS).contains(&modulus) || starts[usize::from(modulus)].is_some() {
                let legal = format!("different ones from 2 to {MAX_MODULUS}");
                return Err(Error::parameter("moduli", format!("{moduli:?}"), legal));
            }
            let m = u32::from(modulus);
            starts[usize::from(modulus)] = Some((place as u32, facts, pairs));
            facts += Operator::ALL.len() as u32 * (m - 1) * m;
            pairs += Operator::ALL.len() as u32 * (m - 1) * m * m;
        }
        if moduli.is_empty() {
            return Err(Error::parameter("moduli", "[]", "at least one"));
        }
        Ok(Self { moduli: moduli.to_vec(), starts, count: facts, pairs })
    }

    /// The moduli, in the order given.
    pub fn moduli(&self) -> &[u8] {
        &self.moduli
    }

    /// How many facts there are.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> usize {
        self.pairs as usize
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        Operator::ALL.len() * self.moduli.len()
    }

    /// # Panics
    /// If the modulus is none of these.
    fn start(&self, modulus: u8) -> (u32, u32, u32) {
        self.starts[usize::from(modulus)].expect("a modulus of these facts")
    }

    /// The fact's number within its modulus.
    fn inside(modulus: u8, operation: Operation, before: u8) -> u32 {
        let m = u32::from(modulus);
        let operation = operation.operator.index() as u32 * (m - 1) + u32::from(operation.operand) - 1;
        operation * m + u32::from(before)
    }

    /// The number of a fact.
    pub fn fact(&self, modulus: u8, operation: Operation, before: u8) -> usize {
        (self.start(modulus).1 + Self::inside(modulus, operation, before)) as usize
    }

    /// The number of a fact with a claimed value.
    pub fn pair(&self, modulus: u8, operation: Operation, before: u8, claimed: u8) -> usize {
        let inside = Self::inside(modulus, operation, before) * u32::from(modulus) + u32::from(claimed);
        (self.start(modulus).2 + inside) as usize
    }

    /// The number of an operator at a modulus.
    pub fn group(&self, modulus: u8, operator: Operator) -> usize {
        self.start(modulus).0 as usize * Operator::ALL.len() + operator.index()
    }

    /// All facts in the order of their numbers: modulus, operation, value before.
    pub fn all(&self) -> impl Iterator<Item = (u8, Operation, u8)> + '_ {
        self.moduli.iter().flat_map(|&m| {
            let operations = Operator::ALL
                .into_iter()
                .flat_map(move |operator| (1..m).map(move |k| Operation { operator, operand: k }));
            operations.flat_map(move |operation| (0..m).map(move |before| (m, operation, before)))
        })
    }
}
