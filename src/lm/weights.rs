//! Weights at the start of training, and to and from safetensors files with Hugging Face's names.

use super::config::Config;
use super::layout::{Layout, Role, Storage, Tensor};
use crate::error::{Error, Result};
use crate::rng::Stream;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeSet, HashMap};
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
/// A missing or malformed file, an option that the engine does not have, a missing tensor or one of another shape.
pub fn load_model(folder: &Path, scores: &[super::ScoreHead]) -> Result<(Config, Vec<f32>)> {
    let config = Config { scores: scores.to_vec(), ..Config::read(&folder.join("config.json"))? };
    let layout = Layout::new(&config)?;
    let mut params = vec![0.0; layout.len()];
    read_weights(&parts(folder)?, &config, &layout, &mut params)?;
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

/// Fills the flat vector from safetensors files. Tensors that the layout does not have are passed over (rotary tables,
/// masks, a tied model's copy of its head); score heads that the files lack stay as they are.
///
/// # Errors
/// An unreadable file; a tensor that no file has, or of another shape, or of a type other than F32, F16, BF16.
pub fn read_weights(files: &[PathBuf], config: &Config, layout: &Layout, params: &mut [f32]) -> Result<()> {
    Error::check_shape("parameters", layout.len(), params.len())?;
    let mut missing: Vec<&Tensor> = layout.tensors.iter().collect();
    for path in files {
        let bytes = fs::read(path).map_err(|e| Error::io(path, e))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| Error::content(path, "header", e.to_string()))?;
        let mut left = Vec::new();
        for tensor in missing {
            match spellings(&tensor.name).find_map(|name| file.tensor(name).ok()) {
                Some(view) => {
                    let values = floats(path, tensor, &view)?;
                    from_file(tensor, config, &values, &mut params[tensor.range.clone()]);
                }
                None => left.push(tensor),
            }
        }
        missing = left;
    }
    let score = |t: &Tensor| {
        config.scores.iter().any(|s| t.name == format!("{}.weight", s.name) || t.name == format!("{}.bias", s.name))
    };
    match missing.iter().find(|t| !score(t)) {
        None => Ok(()),
        Some(t) => Err(Error::content(files.last().cloned().unwrap_or_default(), &*t.name, "tensor is missing")),
    }
}

/// The names that a tensor has been seen under: GPT-2's oldest checkpoints lack the prefix, and Transformers 5 calls
/// GPT-NeoX's output matrix in memory as it does everybody's.
fn spellings(name: &str) -> impl Iterator<Item = &str> {
    let bare = name.strip_prefix("transformer.");
    let head = (name == "embed_out.weight").then_some("lm_head.weight");
    [Some(name), bare, head].into_iter().flatten()
}

/// A tensor's values in the file's order.
pub(super) fn floats(path: &Path, tensor: &Tensor, view: &TensorView) -> Result<Vec<f32>> {
    let wrong = |message: String| Error::content(path, &*tensor.name, message);
    if view.shape() != tensor.shape {
        return Err(wrong(format!("shape {:?}, expected {:?}", view.shape(), tensor.shape)));
    }
    let data = view.data();
    let pairs = || data.as_chunks::<2>().0.iter();
    Ok(match view.dtype() {
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        other => return Err(wrong(format!("type {other:?}, expected F32, F16 or BF16"))),
    })
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

/// All weights, named as in a Hugging Face checkpoint: (name, shape, bytes).
pub(super) fn named(config: &Config, layout: &Layout, params: &[f32]) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let one = |t: &Tensor| (t.name.clone(), t.shape.clone(), to_file(t, config, &params[t.range.clone()]));
    layout.tensors.iter().map(one).collect()
}

/// Writes a safetensors file of f32 tensors, to a temporary name first; other tensors may follow.
pub(super) fn write_tensors(
    path: &Path,
    floats: &[(String, Vec<usize>, Vec<u8>)],
    others: Vec<(String, TensorView<'_>)>,
) -> Result<()> {
    let wrong = |e: safetensors::SafeTensorError| Error::content(path, "tensors", e.to_string());
    let mut views = others;
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

/// Writes `config.json` and `model.safetensors` as Hugging Face's Transformers reads them.
///
/// # Errors
/// A folder that cannot be written; an option that the family's config file cannot say.
pub fn save_model(folder: &Path, config: &Config, params: &[f32]) -> Result<()> {
    let layout = Layout::new(config)?;
    Error::check_shape("parameters", layout.len(), params.len())?;
    fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let json = serde_json::to_string_pretty(&config.to_hf()?).map_err(|e| Error::Usage(e.to_string()))?;
    replace(&folder.join("config.json"), json.as_bytes())?;
    write_tensors(&folder.join("model.safetensors"), &named(config, &layout, params), Vec::new())
}
