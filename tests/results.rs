//! The committed reference results are whole, small, and say what the code says of them.

#![allow(missing_docs)]

mod common;

use common::{call, ids, root};
use std::fs;

const FILES: [&str; 6] = ["rows.csv", "params.toml", "manifest.toml", "checks.csv", "figure.png", "figure.svg"];

#[test]
fn every_experiment_has_small_reference_results_of_the_paper_profile() {
    for id in ids() {
        let folder = root().join("results").join(&id);
        for name in FILES {
            let size = fs::metadata(folder.join(name)).unwrap_or_else(|e| panic!("results/{id}/{name}: {e}")).len();
            let limit = if name == "figure.png" { 200_000 } else { 1_000_000 };
            assert!((1..limit).contains(&size), "results/{id}/{name} has {size} bytes");
        }
        let manifest = fs::read_to_string(folder.join("manifest.toml")).expect("manifest");
        assert!(manifest.contains("profile = \"paper\""), "results/{id} is not from the paper profile");
    }
}

/// Judged and drawn again from the committed CSVs, everything comes out as committed: no verdict, number or figure
/// was put in by hand, and the README's table is the report's.
#[test]
fn the_committed_verdicts_and_figures_follow_from_the_committed_rows() {
    let folder = tempfile::tempdir().expect("temporary folder");
    for id in ids() {
        let (from, to) = (root().join("results").join(&id), folder.path().join(&id));
        fs::create_dir_all(&to).expect("made");
        for name in ["rows.csv", "manifest.toml"] {
            fs::copy(from.join(name), to.join(name)).unwrap_or_else(|e| panic!("results/{id}/{name}: {e}"));
        }
    }
    let (code, _, stderr) = call(&["report", folder.path().to_str().expect("UTF-8")]);
    assert!([0, 1, 3].contains(&code), "{stderr}");
    for id in ids() {
        for name in ["checks.csv", "figure.png", "figure.svg"] {
            let committed = fs::read(root().join("results").join(&id).join(name)).expect("committed");
            let fresh = fs::read(folder.path().join(&id).join(name)).expect("fresh");
            assert!(committed == fresh, "results/{id}/{name} is not what `rewardlab report results` makes");
        }
    }
    let fresh = fs::read_to_string(folder.path().join("REPORT.md")).expect("report");
    let committed = fs::read_to_string(root().join("results/REPORT.md")).expect("results/REPORT.md");
    assert!(fresh == committed, "results/REPORT.md is not what `rewardlab report results` makes");
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    for id in ids() {
        let row = fresh.lines().find(|l| l.starts_with(&format!("| [{id}]"))).expect("a row");
        let counts = row.rsplit(" | ").take(3).collect::<Vec<_>>().join(" | ");
        let ours =
            readme.lines().find(|l| l.starts_with(&format!("| [{id}]"))).unwrap_or_else(|| panic!("README lacks {id}"));
        assert!(
            ours.rsplit(" | ").take(3).collect::<Vec<_>>().join(" | ") == counts,
            "README: the counts of {id} are not the report's"
        );
    }
}
