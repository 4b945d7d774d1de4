//! `rewardlab list`.

use crate::error::{Error, Result};
use crate::experiment::{Preset, Runnable};
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Show each experiment's parameters with their defaults for this profile
    #[arg(long, value_name = "PROFILE")]
    params: Option<Preset>,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let mut text = String::new();
    if args.json {
        let entries = registry.iter().map(|e| {
            Ok(serde_json::json!({
                "id": e.id(),
                "paper": e.paper(),
                "claim": e.claim(),
                "seconds": { "smoke": e.seconds(Preset::Smoke), "paper": e.seconds(Preset::Paper) },
                "seeds": { "smoke": e.seeds(Preset::Smoke), "paper": e.seeds(Preset::Paper) },
                "params": { "smoke": e.params(Preset::Smoke)?, "paper": e.params(Preset::Paper)? },
                "gpu": real(e.as_ref())?,
            }))
        });
        let entries = entries.collect::<Result<Vec<_>>>()?;
        text = serde_json::to_string_pretty(&entries).map_err(|e| Error::Usage(e.to_string()))?;
        text.push('\n');
    } else {
        for e in registry {
            let _ = writeln!(text, "{}", e.id());
            let _ = writeln!(text, "    {}", e.paper());
            let _ = writeln!(text, "    {}", e.claim());
            let (smoke, paper) = (e.seconds(Preset::Smoke), e.seconds(Preset::Paper));
            let gpu = if e.has(Preset::Gpu) { "; real models: --profile gpu" } else { "" };
            let _ = writeln!(text, "    smoke {}, paper {} on 2 cores{gpu}", duration(smoke), duration(paper));
            if let Some(profile) = args.params.filter(|p| e.has(*p)) {
                let params = toml::to_string(&e.params(profile)?).map_err(|e| Error::Usage(e.to_string()))?;
                params.lines().for_each(|line| {
                    let _ = writeln!(text, "      {line}");
                });
            }
        }
    }
    super::out(&text);
    Ok(0)
}

/// What `--profile gpu` runs; null where there is no such version.
fn real(experiment: &dyn Runnable) -> Result<serde_json::Value> {
    if !experiment.has(Preset::Gpu) {
        return Ok(serde_json::Value::Null);
    }
    Ok(serde_json::json!({
        "seconds": experiment.seconds(Preset::Gpu),
        "seeds": experiment.seeds(Preset::Gpu),
        "params": experiment.params(Preset::Gpu)?,
    }))
}

fn duration(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
