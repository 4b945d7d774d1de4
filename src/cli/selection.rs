//! Which experiments, from what profile, with what changed: what `run` and `submit` are given alike.

use crate::error::{Error, Result};
use crate::experiment::{self, Preset, Runnable, params};
use crate::lm::Device;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Selection {
    /// Experiments: an id, a paper's folder, a glob, or `all` (the default)
    #[arg(value_name = "ID|PAPER|GLOB")]
    pub(super) ids: Vec<String>,
    /// smoke: seconds; paper: the paper's protocol at our scale; gpu: real models, of the experiments that have such a version
    #[arg(long, default_value = "smoke")]
    pub(super) profile: Preset,
    /// Seeds: a range 0..9 (end included), a list 0,3,7, or both
    #[arg(long, value_parser = parse_seeds)]
    seeds: Option<Seeds>,
    /// Change a parameter (see `list --params`): --set steps=100 --set model.width=64; of a list the whole or one item, counted from 0:
    /// --set 'ladder=[{width=8, layers=1}, {width=16, layers=2}]' --set ladder.0.width=32
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Take parameters from a TOML file, such as a run's params.toml (one experiment)
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Where models of the profile gpu compute: cpu (in f32), candle-cpu, cuda or cuda:N; short for --set subject.placement.device=…
    #[arg(long)]
    pub(super) device: Option<Device>,
}

/// A list without repetition, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeds(Vec<u64>);

fn parse_seeds(text: &str) -> Result<Seeds, String> {
    let number =
        |s: &str| s.trim().parse::<u32>().map(u64::from).map_err(|_| format!("`{s}` is not a seed (0 … 4294967295)"));
    let mut seeds = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => seeds.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
                if last < first || last - first >= 100_000 {
                    return Err(format!("`{part}` is empty or longer than 100000 seeds"));
                }
                seeds.extend(first..=last);
            }
        }
    }
    let mut sorted = seeds.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(twin) => Err(format!("seed {} appears twice", twin[0])),
        None => Ok(Seeds(seeds)),
    }
}

impl std::fmt::Display for Seeds {
    /// As it is given on the command line: neighbours as a range.
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let runs = self.0.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
            [one] => one.to_string(),
            run => format!("{}..{}", run[0], run[run.len() - 1]),
        });
        f.write_str(&runs.collect::<Vec<_>>().join(","))
    }
}

impl Selection {
    /// The experiments and their parameters, checked.
    pub(super) fn chosen<'a>(&self, registry: &'a [Box<dyn Runnable>]) -> Result<Vec<(&'a dyn Runnable, toml::Table)>> {
        let mut chosen = experiment::select(registry, &self.ids)?;
        // a folder or a glob means those that have such a version; one that is named must have it
        if chosen.len() > 1 {
            chosen.retain(|e| e.has(self.profile));
        }
        if chosen.is_empty() {
            return Err(Error::Usage(format!("none of these experiments has a profile {}", self.profile.name())));
        }
        if self.params.is_some() && chosen.len() > 1 {
            return Err(Error::Usage("--params is for one experiment: name it".into()));
        }
        chosen.into_iter().map(|e| Ok((e, self.table(e)?))).collect()
    }

    /// Seeds, where they are given.
    pub(super) fn seeds(&self) -> Option<Vec<u64>> {
        self.seeds.clone().map(|s| s.0)
    }

    /// The folder that results go to.
    pub(super) fn out(&self, given: Option<&Path>) -> PathBuf {
        given.map_or_else(|| PathBuf::from("runs").join(self.profile.name()), Path::to_owned)
    }

    /// What makes the same selection of the experiments `ids` behind `rewardlab run`; with `frozen`, a file of all parameters, in place of what changes them.
    pub(super) fn arguments(&self, ids: &[String], frozen: Option<&Path>) -> Vec<String> {
        let mut all = ids.to_vec();
        let mut add = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
        add("--profile", self.profile.name().to_owned());
        if let Some(seeds) = &self.seeds {
            add("--seeds", seeds.to_string());
        }
        if let Some(file) = frozen {
            add("--params", file.display().to_string());
            return all;
        }
        for set in &self.sets {
            add("--set", set.clone());
        }
        if let Some(device) = self.device {
            add("--device", device.to_string());
        }
        all
    }

    /// Whether parameters come from a file, which may change.
    pub(super) fn reads_a_file(&self) -> bool {
        self.params.is_some()
    }

    /// The experiment's parameters as asked for, checked.
    fn table(&self, experiment: &dyn Runnable) -> Result<toml::Table> {
        let mut table = experiment.params(self.profile)?;
        let refused = |e| params::refused_by(experiment.id(), e);
        if let Some(file) = &self.params {
            params::apply_file(&mut table, file).map_err(refused)?;
        }
        if let Some(device) = self.device {
            let has_models = table.get("subject").is_some();
            if !has_models {
                let legal = format!("left out: {} computes on the CPU", experiment.id());
                return Err(Error::parameter("--device", device, legal));
            }
            params::apply_set(&mut table, &format!("subject.placement.device={device}")).map_err(refused)?;
            if device == Device::Cpu {
                // it knows no other
                params::apply_set(&mut table, "subject.placement.precision=f32").map_err(refused)?;
            }
        }
        for assignment in &self.sets {
            params::apply_set(&mut table, assignment).map_err(refused)?;
        }
        experiment.plan(&table)?;
        let model = table.get("subject").and_then(|s| s.get("model")).and_then(toml::Value::as_str);
        match model.filter(|m| !m.is_empty() && !Path::new(m).exists()) {
            None => Ok(table),
            Some(model) => Err(Error::Usage(format!(
                "{}: no model at {model}: fetch SmolLM2 (.ci/fetch-smollm2), or name another (--set subject.model=…)",
                experiment.id()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_lists_and_ranges() {
        assert_eq!(parse_seeds("0..3,7"), Ok(Seeds(vec![0, 1, 2, 3, 7])));
        assert!(parse_seeds("3..1").is_err() && parse_seeds("a").is_err() && parse_seeds("1,1").is_err());
        assert!(parse_seeds("-1").is_err() && parse_seeds("").is_err());
        for text in ["0..3,7", "5", "3,1..2", "0..99"] {
            assert_eq!(parse_seeds(text).expect("seeds").to_string(), text);
        }
    }
}
