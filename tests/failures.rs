//! A unit whose training diverges ends with a clear row and message; the others go on. The binary of these tests is a
//! `rewardlab` with one toy experiment: called with a command of the command line it does what that says.

#![allow(missing_docs)]

use rewardlab::algorithm::{Example, Trainee, sft};
use rewardlab::error::Result;
use rewardlab::experiment::{Check, Context, Criterion, Experiment, Kind, Profile, Record, entry};
use rewardlab::lm::{Config, Decay, Schedule, Size, init};
use rewardlab::plot::{Chart, Layer, Panel};
use rewardlab::report::site::Sources;
use rewardlab::stats::mean_interval;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, ExitCode};

struct Toy;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    /// Learning rate of the cell `wild` at seed 1.
    wild: f64,
    /// Of all others.
    tame: f64,
}

struct Cell(&'static str);

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    loss: f64,
}

impl Experiment for Toy {
    type Params = Params;
    type Cell = Cell;
    type Row = Row;
    const ID: &'static str = "toys/divergence";
    const PAPER: &'static str = "none";
    const CLAIM: &'static str = "a likelihood is learned";
    const SECONDS: (f64, f64) = (1.0, 1.0);

    fn params(_: Profile) -> Params {
        Params { wild: 1e30, tame: 1e-2 }
    }
    fn seeds(_: Profile) -> Range<u64> {
        0..3
    }
    fn validate(_: &Params) -> Result<()> {
        Ok(())
    }
    fn cells(_: &Params) -> Vec<Cell> {
        vec![Cell("wild"), Cell("tame")]
    }

    fn measure(p: &Params, cell: &Cell, ctx: &Context) -> Result<Vec<Row>> {
        let peak = if cell.0 == "wild" && ctx.seed() == 1 { p.wild } else { p.tame };
        let config = Config::gpt2(Size { vocab: 6, width: 16, layers: 1, heads: 2, context: 8 });
        let mut trainee = Trainee::new(&config, init(&config, 0.1, &mut ctx.stream("weights"))?, 1.0)?;
        let examples = [Example { tokens: vec![0, 1, 2, 3], prompt: 1 }];
        let schedule = Schedule { peak, warm_up: 0, steps: 20, decay: Decay::Constant };
        Ok(vec![Row { loss: sft(&mut trainee, &examples, 1, &schedule, &mut ctx.stream("order"))? }])
    }

    fn check(rows: &[Record<Row>]) -> Vec<Check> {
        let losses: Vec<f64> = rows.iter().map(|r| r.loss).collect();
        let below = Criterion::AtMost(10.0);
        vec![Check::new(Kind::Claim, "learned", "it learns", "none", "loss, nats", mean_interval(&losses), below)]
    }

    fn chart(rows: &[Record<Row>]) -> Chart {
        let points = rows.iter().map(|r| (r.seed as f64, r.loss)).collect();
        let panel = Panel { layers: vec![Layer::Scatter { series: "loss".into(), points }], ..Panel::default() };
        Chart { panels: vec![panel], ..Chart::default() }
    }
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|a| ["run", "report", "merge"].contains(&a.as_str())) {
        return rewardlab::cli::main(&[entry::<Toy>()], Sources::new);
    }
    let folder = tempfile::tempdir().expect("temporary folder");
    a_unit_that_diverges_has_a_row_and_the_others_go_on(folder.path());
    shards_keep_their_failures(folder.path());
    where_nothing_succeeds_nothing_is_finished(folder.path());
    ExitCode::SUCCESS
}

/// Exit code, stdout and stderr of a call of this very binary.
fn call(arguments: &[&str], out: &Path) -> (i32, String, String) {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(arguments);
    if arguments[0] == "run" {
        command.arg("--out");
    }
    let output = command.arg(out).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn read(out: &Path, name: &str) -> String {
    fs::read_to_string(out.join(Toy::ID).join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn a_unit_that_diverges_has_a_row_and_the_others_go_on(folder: &Path) {
    let (one, two) = (folder.join("one"), folder.join("two"));
    let (code, stdout, stderr) = call(&["run", "--threads", "1"], &one);
    assert_eq!(code, 2, "{stdout}{stderr}");
    assert!(stderr.contains("toys/divergence [wild, seed 1]: ") && stderr.contains("must be finite"), "{stderr}");
    assert!(stderr.contains("1 units failed") && stderr.contains("failures.csv"), "{stderr}");
    assert!(stdout.contains("! failed: wild, seed 1") && stdout.contains("? inconclusive"), "{stdout}");
    assert!(!stdout.contains("✓"), "{stdout}");
    let rows = read(&one, "rows.csv");
    assert_eq!(rows.lines().count(), 1 + 5, "{rows}");
    assert!(!rows.contains("wild,1,"), "{rows}");
    let failures = read(&one, "failures.csv");
    assert_eq!(failures.lines().count(), 1 + 1, "{failures}");
    assert!(failures.starts_with("cell,seed,message\nwild,1,"), "{failures}");
    assert!(read(&one, "manifest.toml").contains("failed_units = 1"));
    assert!(fs::read_to_string(one.join("REPORT.md")).expect("report").contains("**failed**: wild, seed 1: "));

    // the same bytes from two threads; the same words when judged again, and when run again
    assert_eq!(call(&["run", "--threads", "2"], &two).0, 2);
    for name in ["rows.csv", "failures.csv", "checks.csv"] {
        assert_eq!(read(&one, name), read(&two, name), "{name}");
    }
    assert_eq!(call(&["report"], &one).0, 3);
    let (code, _, stderr) = call(&["run"], &one);
    assert!(code == 2 && stderr.contains("1 units failed") && !stderr.contains("resume"), "{stderr}");

    // mended, it is whole
    let (code, stdout, stderr) = call(&["run", "--force", "--set", "wild=0.01"], &one);
    assert!(code == 0 && stdout.contains("✓"), "{stdout}{stderr}");
    assert!(!one.join(Toy::ID).join("failures.csv").exists() && !read(&one, "manifest.toml").contains("failed_units"));
}

fn shards_keep_their_failures(folder: &Path) {
    let one = folder.join("two");
    // of six shards the second has no unit but the one that fails, and is done all the same
    for (of, diverging) in [(2, 2), (6, 2)] {
        let parts = folder.join(format!("parts of {of}"));
        for k in 1..=of {
            let (code, _, stderr) = call(&["run", "--shard", &format!("{k}/{of}")], &parts);
            assert_eq!(code, if k == diverging { 2 } else { 0 }, "{stderr}");
        }
        let (code, _, stderr) = call(&["merge"], &parts);
        assert_eq!(code, 3, "{stderr}");
        for name in ["rows.csv", "failures.csv", "checks.csv"] {
            assert_eq!(read(&one, name), read(&parts, name), "{name}");
        }
    }
}

fn where_nothing_succeeds_nothing_is_finished(folder: &Path) {
    let out = folder.join("nothing");
    let arguments = ["run", "--set", "tame=1e30"];
    let (code, _, stderr) = call(&arguments, &out);
    assert!(code == 2 && stderr.contains("6 units failed"), "{stderr}");
    assert!(!out.join(Toy::ID).join("rows.csv").exists());
    assert_eq!(read(&out, "failures.csv").lines().count(), 1 + 6);
    assert!(stderr.contains("other parameters and --force"), "{stderr}");
    let (code, _, stderr) = call(&[&arguments[..], &["--resume"]].concat(), &out);
    assert!(code == 2 && stderr.contains("6 units failed"), "{stderr}");
}
