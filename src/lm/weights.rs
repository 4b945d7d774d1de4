//! Weights at the start of training, and to and from safetensors files with Hugging Face's names.

use super::config::Config;
use super::layout::{Layout, Role, Storage, Tensor};
use super::tensors::TensorFile;
use crate::error::{Error, Result};
use crate::rng::Stream;
use half::bf16;
use safetensors::tensor::{Dtype, TensorView, View};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Fresh weights, as GPT-2 starts: matrices normal with standard deviation `scale` (0.02 there), those that write into
/// the residual stream smaller by √(2 · layers), norms one, biases zero.
///
/// # Errors
/// A config that has no layout.
pub fn init(config: &Config, scale: f64, rng: &mut Stream) -> Result<Vec<f32>> {
    let layout = Layout::new(config)?;
    let mut params = vec![0.0; layout.len()];
    let residual = scale / (2.0 * config.layers as f64).sqrt();
    for tensor in &layout.tensors {
        let values = &mut params[tensor.range.clone()];
        match tensor.role {
            Role::Matrix => values.iter_mut().for_each(|v| *v = (scale * rng.normal()) as f32),
            Role::ResidualMatrix => values.iter_mut().for_each(|v| *v = (residual * rng.normal()) as f32),
            Role::Scale => values.fill(1.0),
            Role::Bias => {}
        }
    }
    Ok(params)
}

/// Reads a Hugging Face model folder: `config.json` and `model.safetensors`, or the parts that
/// `model.safetensors.index.json` names. `scores` heads, which such a folder may lack, start at zero.
///
/// # Errors
/// A missing or malformed file, an option that the engine does not have, a missing tensor, one of another shape or with
/// values that are not finite, one that the config has no use for (but constant buffers, output matrices and score heads).
pub fn load_model(folder: &Path, scores: &[super::ScoreHead]) -> Result<(Config, Vec<f32>)> {
    let config = Config { scores: scores.to_vec(), ..Config::read(&folder.join("config.json"))? };
    let layout = Layout::new(&config)?;
    let found = Found::locate(&parts(folder)?, &config, &layout)?.with_nothing_left()?;
    // only now, when the files are known to hold all of it
    let mut params = vec![0.0; layout.len()];
    found.read(&config, &mut params)?;
    Ok((config, params))
}

/// The files that hold a model's weights.
fn parts(folder: &Path) -> Result<Vec<PathBuf>> {
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let text = fs::read_to_string(&index).map_err(|e| Error::io(&index, e))?;
    let wrong = |message: String| Error::content(&index, "weight_map", message);
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let map = json["weight_map"].as_object().ok_or_else(|| wrong("is not an object".into()))?;
    let files: BTreeSet<&str> = map.values().filter_map(|v| v.as_str()).collect();
    if files.iter().any(|f| f.contains(['/', '\\']) || *f == "..") {
        return Err(wrong("names a file outside the folder".into()));
    }
    Ok(files.into_iter().map(|f| folder.join(f)).collect())
}

/// Fills the flat vector from safetensors files. Tensors that the layout does not have are passed over (those of a training run's
/// file, rotary tables, masks, a tied model's copy of its head); score heads that the files lack stay as they are, and with score heads the output
/// matrix too.
///
/// # Errors
/// An unreadable file; a tensor that no file has, of another shape, of a type other than F32, F16, BF16, or with values
/// that are not finite.
pub fn read_weights(files: &[PathBuf], config: &Config, layout: &Layout, params: &mut [f32]) -> Result<()> {
    Error::check_shape("parameters", layout.len(), params.len())?;
    Found::locate(files, config, layout)?.read(config, params)
}

/// Which file has each tensor, under which name.
struct Found<'a> {
    files: Vec<(TensorFile, Vec<(&'a Tensor, &'a str)>)>,
    /// A file's tensor that the config has no use for.
    left: Option<(PathBuf, String)>,
}

impl<'a> Found<'a> {
    fn locate(files: &[PathBuf], config: &Config, layout: &'a Layout) -> Result<Self> {
        let mut missing: Vec<&Tensor> = layout.tensors.iter().collect();
        let (mut found, mut strange) = (Vec::new(), None);
        for path in files {
            let file = TensorFile::open(path)?;
            let (mut here, mut left) = (Vec::new(), Vec::new());
            for tensor in missing {
                let mut name = None;
                for spelling in spellings(&tensor.name) {
                    if name.is_none() && file.has(spelling, &tensor.shape)? {
                        name = Some(spelling);
                    }
                }
                match name {
                    Some(name) => here.push((tensor, name)),
                    None => left.push(tensor),
                }
            }
            let is_read = |name: &str| here.iter().any(|(_, read)| *read == name);
            let unused = file.names().into_iter().find(|name| !is_read(name) && !is_passed_over(name));
            strange = strange.or(unused.map(|name| (path.clone(), name)));
            found.push((file, here));
            missing = left;
        }
        let score = |t: &Tensor| {
            config.scores.iter().any(|s| t.name == format!("{}.weight", s.name) || t.name == format!("{}.bias", s.name))
        };
        // a classifier's folder may lack the matrix that it does not use
        let unused = |t: &Tensor| !config.scores.is_empty() && !config.tied && t.range == layout.head;
        if let Some(t) = missing.iter().find(|t| !score(t) && !unused(t)) {
            return Err(Error::content(files.last().cloned().unwrap_or_default(), &*t.name, "tensor is missing"));
        }
        Ok(Self { files: found, left: strange })
    }

    /// Fails where a folder has more than its config says, such as a block too many: the model would be another one.
    fn with_nothing_left(self) -> Result<Self> {
        match self.left {
            None => Ok(self),
            Some((path, name)) => Err(Error::content(path, name, "a tensor that the config has no use for")),
        }
    }

    fn read(self, config: &Config, params: &mut [f32]) -> Result<()> {
        for (mut file, tensors) in self.files {
            for (tensor, name) in tensors {
                from_file(tensor, config, &file.floats(name)?, &mut params[tensor.range.clone()]);
            }
        }
        Ok(())
    }
}

/// What the engine computes itself, or what another use of the same model has: constant buffers, output matrices, score heads.
fn is_passed_over(name: &str) -> bool {
    const BUFFERS: [&str; 5] =
        [".attn.bias", ".attn.masked_bias", ".attention.bias", ".attention.masked_bias", ".inv_freq"];
    const HEADS: [&str; 6] = ["lm_head.", "embed_out.", "score.", "classifier.", "v_head.", "value_head."];
    BUFFERS.iter().any(|end| name.ends_with(end)) || HEADS.iter().any(|start| name.starts_with(start))
}

/// The names that a tensor has been seen under: GPT-2's oldest checkpoints lack the prefix, and Transformers 5 calls
/// GPT-NeoX's output matrix in memory as it does everybody's.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let bare = name.strip_prefix("transformer.");
    let head = (name == "embed_out.weight").then_some("lm_head.weight");
    [Some(name), bare, head].into_iter().flatten()
}

/// Calls `pair(ours, file's)` for every element's index in the two orders.
fn orders(tensor: &Tensor, config: &Config, mut pair: impl FnMut(usize, usize)) {
    let len = tensor.range.len();
    match tensor.storage {
        Storage::Plain => (0..len).for_each(|i| pair(i, i)),
        Storage::Transposed => {
            let [inputs, outputs] = [tensor.shape[0], tensor.shape[1]];
            (0..len).for_each(|i| pair(i, i % inputs * outputs + i / inputs));
        }
        Storage::HeadByHead => {
            let columns = len / tensor.shape[0];
            let size = config.head_width * columns;
            for i in 0..len {
                let (part, head, inside) = (i / size / config.heads, i / size % config.heads, i % size);
                pair(i, (head * 3 + part) * size + inside);
            }
        }
    }
}

pub(super) fn from_file(tensor: &Tensor, config: &Config, file: &[f32], ours: &mut [f32]) {
    orders(tensor, config, |i, f| ours[i] = file[f]);
}

/// A tensor's bytes in the file's order.
pub(super) fn to_file(tensor: &Tensor, config: &Config, ours: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; 4 * ours.len()];
    orders(tensor, config, |i, f| bytes[4 * f..4 * f + 4].copy_from_slice(&ours[i].to_le_bytes()));
    bytes
}

/// Writes a safetensors file of f32 tensors, to a temporary name first.
pub(super) fn write_tensors(path: &Path, floats: &[(String, Vec<usize>, Vec<u8>)]) -> Result<()> {
    let wrong = |e: safetensors::SafeTensorError| Error::content(path, "tensors", e.to_string());
    let mut views = Vec::with_capacity(floats.len());
    for (name, shape, bytes) in floats {
        views.push((name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(wrong)?));
    }
    // one key only: the map's order would reach the file
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(wrong)?;
    replace(path, &bytes)
}

/// Writes a file under a temporary name and renames it, so that a killed process leaves the old one whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    fs::write(&partial, bytes).map_err(|e| Error::io(&partial, e))?;
    fs::rename(&partial, path).map_err(|e| Error::io(path, e))
}

/// The precision of saved weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits: as they are.
    #[default]
    F32,
    /// 16 bits with 8 of exponent; rounded to the nearest, ties to even.
    Bf16,
}

impl Precision {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
        }
    }

    /// Its name in `config.json` (a setting calls it f32 or bf16).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// A tensor that is converted when it is written.
pub(super) struct Saved<'a> {
    tensor: &'a Tensor,
    config: &'a Config,
    values: &'a [f32],
    precision: Precision,
}

impl View for Saved<'_> {
    fn dtype(&self) -> Dtype {
        self.precision.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = to_file(self.tensor, self.config, self.values);
        Cow::Owned(match self.precision {
            Precision::F32 => bytes,
            Precision::Bf16 => {
                let values = bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
                values.flat_map(|v| bf16::from_f32(v).to_le_bytes()).collect()
            }
        })
    }

    fn data_len(&self) -> usize {
        self.values.len() * if self.precision == Precision::F32 { 4 } else { 2 }
    }
}

/// Writes `model.safetensors`, to a temporary name first; one tensor at a time is in memory beside the weights.
pub(super) fn save_weights(folder: &Path, config: &Config, params: &[f32], precision: Precision) -> Result<()> {
    let layout = Layout::new(config)?;
    Error::check_shape("parameters", layout.len(), params.len())?;
    let saved = |tensor| Stored::Weights(Saved { tensor, config, values: &params[tensor.range.clone()], precision });
    let all = layout.tensors.iter().map(|tensor| (tensor.name.clone(), saved(tensor))).collect();
    write_stored(&folder.join("model.safetensors"), all)
}

/// What a file holds under one name; converted when it is written.
pub(super) enum Stored<'a> {
    Weights(Saved<'a>),
    /// One row of numbers.
    Numbers([usize; 1], &'a [f32]),
    /// One row of bytes.
    Bytes([usize; 1], &'a [u8]),
}

impl<'a> Stored<'a> {
    pub(super) fn numbers(values: &'a [f32]) -> Self {
        Self::Numbers([values.len()], values)
    }

    pub(super) fn bytes(bytes: &'a [u8]) -> Self {
        Self::Bytes([bytes.len()], bytes)
    }

    /// All weights in f32, by their Hugging Face names.
    pub(super) fn weights(config: &'a Config, layout: &'a Layout, params: &'a [f32]) -> Vec<(String, Self)> {
        let precision = Precision::F32;
        let saved = |tensor: &'a Tensor| Saved { tensor, config, values: &params[tensor.range.clone()], precision };
        layout.tensors.iter().map(|tensor| (tensor.name.clone(), Self::Weights(saved(tensor)))).collect()
    }
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Weights(saved) => saved.dtype(),
            Self::Numbers(..) => Dtype::F32,
            Self::Bytes(..) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Weights(saved) => saved.shape(),
            Self::Numbers(shape, _) | Self::Bytes(shape, _) => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Weights(saved) => saved.data(),
            Self::Numbers(_, values) => Cow::Owned(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Self::Bytes(_, bytes) => Cow::Borrowed(bytes),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Weights(saved) => saved.data_len(),
            Self::Numbers(_, values) => 4 * values.len(),
            Self::Bytes(_, bytes) => bytes.len(),
        }
    }
}

/// Writes a safetensors file, to a temporary name first; one tensor at a time is in memory beside what is written.
pub(super) fn write_stored(path: &Path, tensors: Vec<(String, Stored)>) -> Result<()> {
    // one key only: the map's order would reach the file
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    let partial = path.with_file_name(name);
    // what the library writes only its owner may read; a model is like any other file
    let io = |e| Error::io(&partial, e);
    let permissions = fs::File::create(&partial).and_then(|f| f.metadata()).map_err(io)?.permissions();
    safetensors::serialize_to_file(tensors, Some(metadata), &partial)
        .map_err(|e| Error::content(&partial, "tensors", e.to_string()))?;
    fs::set_permissions(&partial, permissions).map_err(io)?;
    fs::rename(&partial, path).map_err(|e| Error::io(path, e))
}

/// Writes `config.json` and `model.safetensors` (f32) as Hugging Face's Transformers reads them.
///
/// # Errors
/// A folder that cannot be written; an option that the family's config file cannot say.
pub fn save_model(folder: &Path, config: &Config, params: &[f32]) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    write_json(&folder.join("config.json"), &config.to_hf()?)?;
    save_weights(folder, config, params, Precision::F32)
}

/// Writes a JSON file, to a temporary name first.
pub(super) fn write_json(path: &Path, json: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(json).map_err(|e| Error::Usage(e.to_string()))?;
    replace(path, text.as_bytes())
}
