//! The house stands as drawn: `use crate::` lines against the table of levels, file sizes, no stray randomness.

use std::fs;
use std::path::{Path, PathBuf};

/// Module → the modules that it may use. The table of `src/lib.rs`, spelled out.
const MAY_USE: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("num", &[]),
    ("rng", &[]),
    ("stats", &["error", "num", "rng"]),
    ("env", &["error", "num", "rng"]),
    ("lm", &["error", "num", "rng"]),
    ("objective", &["error", "num", "stats"]),
    ("jsonl", &["error"]),
    ("preference", &["error", "jsonl", "lm", "num", "rng"]),
    ("policy", &["env", "error", "lm", "num", "rng"]),
    ("reward", &["env", "error", "jsonl", "lm", "num"]),
    ("exact", &["env", "error", "num", "policy"]),
    ("metrics", &["env", "error", "exact", "num", "objective", "policy", "rng", "stats"]),
    (
        "algorithm",
        &["env", "error", "lm", "metrics", "num", "objective", "policy", "preference", "reward", "rng", "stats"],
    ),
    ("record", &["error"]),
    ("plot", &["error"]),
    ("report", &["error", "record", "stats"]),
    ("experiment", &["error", "plot", "record", "report", "rng"]),
    ("import", &["env", "error", "record", "rng"]),
    ("oracle", &["error", "num", "objective", "rng"]),
    ("audit", &["error", "jsonl", "metrics", "num", "stats"]),
    (
        "cli",
        &[
            "algorithm",
            "audit",
            "error",
            "experiment",
            "import",
            "jsonl",
            "lm",
            "metrics",
            "oracle",
            "plot",
            "preference",
            "record",
            "report",
            "reward",
            "rng",
            "stats",
        ],
    ),
];

const LONGEST_FILE: usize = 600;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("readable folder") {
        let path = entry.expect("readable entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code of a file before its tests, without comments; a `tests.rs` is tests from its first line.
fn code(path: &Path) -> String {
    if path.ends_with("tests.rs") {
        return String::new();
    }
    let text = fs::read_to_string(path).expect("readable file");
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    text[..end].lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every module named after `crate::`, also inside `use crate::{a, b::c}`.
fn crate_uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let word = |s: &str| s.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if let Some(group) = rest.strip_prefix('{') {
            let (mut depth, mut start) = (0, 0);
            for (i, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        found.push(word(&group[start..i]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.push(word(&group[start..i]));
                        start = i + 1;
                    }
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found.retain(|m| !m.is_empty());
    found
}

#[test]
fn arrows_point_down() {
    let mut wrong = Vec::new();
    for path in rust_files(&root().join("src")) {
        let inside = path.strip_prefix(root().join("src")).expect("under src");
        let first = inside.components().next().expect("a name").as_os_str().to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "lib" {
            continue;
        }
        let Some((_, allowed)) = MAY_USE.iter().find(|(m, _)| *m == module) else {
            wrong.push(format!("{}: module {module} has no row in the table", inside.display()));
            continue;
        };
        for used in crate_uses(&code(&path)) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {module} uses {used}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_is_a_hierarchy_and_complete() {
    for (i, (module, uses)) in MAY_USE.iter().enumerate() {
        for used in *uses {
            assert!(MAY_USE[..i].iter().any(|(m, _)| m == used), "{module} uses {used}, which is not below it");
        }
    }
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    for module in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")).map(|m| m.trim_end_matches(';')) {
        assert!(MAY_USE.iter().any(|(m, _)| *m == module), "{module} has no row in the table");
    }
}

#[test]
fn the_parser_of_use_lines_sees_groups() {
    let found = crate_uses("use crate::a::b;\nuse crate::{c, d::{e, f}, g};\nlet x = crate::h::i();\nmycrate::z");
    assert_eq!(found, ["a", "c", "d", "g", "h"]);
}

#[test]
fn files_stay_short() {
    let mut wrong = Vec::new();
    for folder in ["src", "experiments", "tests", "benches"] {
        for path in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&path).expect("readable file").lines().count();
            if lines > LONGEST_FILE {
                wrong.push(format!("{}: {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "longer than {LONGEST_FILE} lines:\n{}", wrong.join("\n"));
}

/// The worked example of CONTRIBUTING.md names every line that a new figure needs: each line that it tells to add is
/// there, in the file that it names, for a figure that we have.
#[test]
fn contributing_names_every_line_that_a_figure_needs() {
    let contributing = fs::read_to_string(root().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let ours = |text: &str| {
        let text = text.replace("some_paper", "vanishing_gradients");
        text.replace("tilt", "theorem1").replace("Tilt", "Theorem1")
    };
    for (file, line) in [
        ("experiments/some_paper/mod.rs", "pub(crate) mod tilt;"),
        ("experiments/main.rs", "entry::<some_paper::tilt::Tilt>(),"),
        ("experiments/main.rs", "mod some_paper;"),
        (
            "README.md",
            "| [some_paper/tilt](experiments/some_paper/tilt.rs) | \
             [![](results/some_paper/tilt/figure.png)](results/some_paper/tilt/figure.png) | ",
        ),
    ] {
        assert!(contributing.contains(line), "CONTRIBUTING.md does not tell to add `{line}` to {file}");
        let text = fs::read_to_string(root().join(ours(file))).expect("a file that CONTRIBUTING.md names");
        let there = text.lines().any(|l| l.trim().starts_with(&ours(line)));
        assert!(there, "{file} has no line like the one that CONTRIBUTING.md tells to add: `{line}`");
    }
}

/// `experiments/<paper>/<figure>.rs` holds the experiment `<paper>/<figure>`, and the registry lists every one.
#[test]
fn ids_are_paths_and_all_are_registered() {
    let registry = fs::read_to_string(root().join("experiments/main.rs")).expect("main.rs");
    let mut experiments = 0;
    for path in rust_files(&root().join("experiments")) {
        let text = fs::read_to_string(&path).expect("readable file");
        let Some(at) = text.find("const ID: &'static str = \"") else { continue };
        let id = text[at..].split('"').nth(1).expect("an id");
        let expected = path.strip_prefix(root().join("experiments")).expect("inside").with_extension("");
        assert_eq!(Path::new(id), expected, "{}", path.display());
        let module = id.replace('/', "::");
        assert!(registry.contains(&format!("entry::<{module}::")), "{id} is not in the registry");
        experiments += 1;
    }
    assert!(experiments > 0, "no experiment found");
}
