//! `rewardlab data import` at the keyboard, on small files of our own.

mod common;

use common::{assert_one_clear_line, call};
use serde_json::Value;
use std::fs;
use std::path::Path;

const REVIEWS: &str = "text,label,source\n\"A film<br /><br />to see, \"\"really\"\".\",1,a\nDull and much too long to sit through.,0,a\n\
                       A film to see once more,1,b\nNo no no no,0,b\nfine fine fine,1,a\nNo no no no,0,a\n";

fn lines(folder: &Path, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder.join(name)).expect("written");
    text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

#[test]
fn reviews_are_split_with_their_provenance_and_nothing_is_replaced_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (csv, out) = (folder.path().join("reviews.csv"), folder.path().join("out"));
    fs::write(&csv, REVIEWS).expect("written");
    let (csv, to) = (csv.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let arguments =
        ["data", "import", "reviews", csv, "--out", to, "--prompt-words", "2", "--test", "0.2", "--validation", "0.2"];
    let (code, said, errors) = call(&arguments);
    assert_eq!(code, 0, "{errors}");
    assert!(said.starts_with("6 examples; 3 lines to train on, 1 to validate, 1 to test"), "{said}");
    assert!(said.contains("dropped: repeated text: 1"), "{said}");
    let all: Vec<Value> =
        ["train", "validation", "test"].iter().flat_map(|p| lines(&out, &format!("{p}.jsonl"))).collect();
    assert_eq!(all.len(), 5);
    let film = all.iter().find(|l| l["completion"] == " to see, \"really\".").expect("the first review");
    assert_eq!(
        (film["prompt"].as_str(), film["label"].as_u64(), film["source"].as_str()),
        (Some("A film"), Some(1), Some("a"))
    );
    let provenance: Value =
        serde_json::from_slice(&fs::read(out.join("provenance.json")).expect("written")).expect("JSON");
    let source = &provenance["sources"][0];
    assert_eq!((source["name"].as_str(), source["bytes"].as_u64()), (Some("reviews.csv"), Some(REVIEWS.len() as u64)));
    assert_eq!(provenance["such_data_comes_in"]["this_file_against_that_version"], "other bytes");
    assert_eq!(provenance["written"][0]["lines"], 3);
    // again: refused, then replaced; a stranger's file stays
    assert_one_clear_line(&arguments, &["is there already", "--force"]);
    fs::write(out.join("notes.txt"), "mine").expect("written");
    let before = fs::read(out.join("train.jsonl")).expect("there");
    let (code, _, errors) = call(&[arguments.as_slice(), &["--force"]].concat());
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(fs::read(out.join("train.jsonl")).expect("there"), before);
    assert_eq!(fs::read(out.join("notes.txt")).expect("there"), b"mine");
}

#[test]
fn an_archive_reads_as_its_folder_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let unpacked = folder.path().join("package");
    fs::create_dir(&unpacked).expect("made");
    fs::write(unpacked.join("reviews.csv"), REVIEWS).expect("written");
    let archive = folder.path().join("package.whl");
    let mut writer = zip::ZipWriter::new(fs::File::create(&archive).expect("made"));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    writer.start_file("package/reviews.csv", options).expect("started");
    std::io::Write::write_all(&mut writer, REVIEWS.as_bytes()).expect("written");
    writer.finish().expect("finished");
    let bytes = |from: &Path, name: &str| {
        let out = folder.path().join(name);
        let (from, to) = (from.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
        let (code, _, errors) = call(&["data", "import", "reviews", from, "--out", to, "--shape", "classify"]);
        assert_eq!(code, 0, "{errors}");
        fs::read(out.join("train.jsonl")).expect("written")
    };
    assert_eq!(bytes(&unpacked, "a"), bytes(&archive, "b"));
    // cut anywhere, an archive is refused in one line
    let whole = fs::read(&archive).expect("there");
    for end in [4, whole.len() / 2, whole.len() - 1] {
        let cut = folder.path().join("cut.whl");
        fs::write(&cut, &whole[..end]).expect("written");
        let out = folder.path().join("c");
        assert_one_clear_line(
            &["data", "import", "reviews", cut.to_str().expect("UTF-8"), "--out", out.to_str().expect("UTF-8")],
            &["cut.whl"],
        );
        assert!(!out.exists());
    }
}

#[test]
fn what_is_wrong_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let put = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("written");
        folder.path().join(name).to_str().expect("UTF-8").to_owned()
    };
    let out = folder.path().join("out").to_str().expect("UTF-8").to_owned();
    let label = put("label.csv", "text,label\nx y,1\n\"two\nlines\",maybe\n");
    let ragged = put("ragged.csv", "text,label\nx,1,2\n");
    let column = put("column.csv", "review,label\nx,1\n");
    let good = put("good.csv", REVIEWS);
    let pairs = put("pairs", "a :: b\n");
    for (arguments, parts) in [
        (vec!["reviews", &label], vec!["label.csv, line 3: label `maybe`: must be 0 or 1"]),
        (vec!["reviews", &ragged], vec!["ragged.csv, line 2: "]),
        (vec!["reviews", &column], vec!["column.csv, line 1: no column `text`"]),
        (vec!["reviews", &good, "--source", "A"], vec!["unknown source `A`"]),
        (vec!["reviews", &good, "--test", "0.6", "--validation", "0.6"], vec!["validation + test = 1.2"]),
        (vec!["reviews", &good, "--prompt-words", "100"], vec!["none of 6 examples is left"]),
        (vec!["reviews", "/nowhere.csv"], vec!["/nowhere.csv: "]),
        (vec!["pairs", &pairs, "--format", "verses"], vec!["verses need 2 path(s), 1 given"]),
        (vec!["pairs", &pairs, "--format", "mo"], vec!["pairs, byte 0: "]),
        (vec!["maths", &good], vec!["none of them is a template"]),
        (vec!["images", &good], vec!["t10k-images-idx3-ubyte"]),
    ] {
        let all = [vec!["data", "import"], arguments, vec!["--out", &out]].concat();
        assert_one_clear_line(&all, &parts);
        assert!(!Path::new(&out).exists(), "{all:?}");
    }
}
