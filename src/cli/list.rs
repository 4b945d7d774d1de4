//! `rewardlab list`.

use crate::error::{Error, Result};
use crate::experiment::{Profile, Runnable};
use std::fmt::Write;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Show each experiment's parameters with their defaults for this profile
    #[arg(long, value_name = "PROFILE")]
    params: Option<Profile>,
}

pub(super) fn execute(args: &Args, registry: &[Box<dyn Runnable>]) -> Result<u8> {
    let mut text = String::new();
    if args.json {
        let entries = registry.iter().map(|e| {
            Ok(serde_json::json!({
                "id": e.id(),
                "paper": e.paper(),
                "claim": e.claim(),
                "seconds": { "smoke": e.seconds(Profile::Smoke), "paper": e.seconds(Profile::Paper) },
                "seeds": { "smoke": e.seeds(Profile::Smoke), "paper": e.seeds(Profile::Paper) },
                "params": { "smoke": e.params(Profile::Smoke)?, "paper": e.params(Profile::Paper)? },
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
            let (smoke, paper) = (e.seconds(Profile::Smoke), e.seconds(Profile::Paper));
            let _ = writeln!(text, "    smoke {}, paper {} on 2 cores", duration(smoke), duration(paper));
            if let Some(profile) = args.params {
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

fn duration(seconds: f64) -> String {
    if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.0} min", seconds / 60.0) }
}
