//! Low-rank adapters (`LoRA`, Hu et al., arXiv:2106.09685) as another set of coordinates of the flat weights: θ(φ) = θ₀ + s B A at every adapted
//! matrix. Any engine computes with θ(φ); its gradient by θ gives that by φ. So training with adapters needs nothing of the CPU engine, and
//! merging is what every step does anyway; on a device, where memory is dear, the factors stay apart. Score heads, which no pretrained model brings, are trained whole: they are part of φ.

use super::config::Config;
use super::layout::{Layout, Role, Storage, Tensor};
use super::tensors::TensorFile;
use super::weights::{from_file, replace, to_file, write_tensors};
use crate::error::{Error, Result};
use crate::num::{Matrix, matmul};
use crate::rng::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Which matrices are adapted, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoraSettings {
    /// Rank r of every adapter; at least 1.
    pub rank: usize,
    /// α: the product of the two factors is multiplied by s = α/r. Positive.
    pub alpha: f64,
    /// Last parts of the names of the adapted modules, `q_proj` for example; none: every linear map of the blocks.
    #[serde(default)]
    pub targets: Vec<String>,
}

impl Default for LoraSettings {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: Vec::new() }
    }
}

/// One adapted matrix. Both factors lie in the flat vector φ, A before B.
#[derive(Clone, Debug)]
pub(super) struct Adapted {
    /// The module's name in a Hugging Face checkpoint.
    module: String,
    /// Its matrix in θ, out × in.
    pub(super) matrix: Range<usize>,
    pub(super) inputs: usize,
    /// A, r × in, as a tensor of φ.
    pub(super) down: Tensor,
    /// B, out × r, likewise.
    pub(super) up: Tensor,
}

/// The adapters of a config: the table that leads from φ to θ.
#[derive(Clone, Debug)]
pub struct Lora {
    config: Config,
    settings: LoraSettings,
    adapted: Vec<Adapted>,
    /// Score heads: their places in θ, and as tensors of φ.
    heads: Vec<(Range<usize>, Tensor)>,
    len: usize,
}

impl Lora {
    /// The table of a config's adapters.
    ///
    /// # Errors
    /// A config without a layout; illegal settings; a target that no module of the blocks is called.
    pub fn new(config: &Config, settings: &LoraSettings) -> Result<Self> {
        Error::check_counts(&[("rank", settings.rank, 1, 1 << 16)])?;
        Error::check_positive(&[("alpha", settings.alpha)])?;
        let layout = Layout::new(config)?;
        let linear = layout.layers.iter().flat_map(|l| [&l.qkv, &l.out, &l.up, &l.down]);
        let spans: Vec<_> = linear.map(|span| span.weight.clone()).collect();
        let of_block = |t: &&Tensor| spans.iter().any(|s| s.start <= t.range.start && t.range.end <= s.end);
        let matrices: Vec<&Tensor> = layout.tensors.iter().filter(of_block).collect();
        let last = |t: &Tensor| module(t).rsplit('.').next().unwrap_or_default().to_owned();
        let names: Vec<String> = matrices.iter().map(|t| last(t)).collect();
        for target in &settings.targets {
            if !names.contains(target) {
                return Err(Error::unknown("adapted module", target, names.iter().map(String::as_str)));
            }
        }
        let (rank, mut adapted, mut at) = (settings.rank, Vec::new(), 0);
        for tensor in matrices {
            if !(settings.targets.is_empty() || settings.targets.contains(&last(tensor))) {
                continue;
            }
            let transposed = tensor.storage == Storage::Transposed;
            let (outputs, inputs) =
                if transposed { (tensor.shape[1], tensor.shape[0]) } else { (tensor.shape[0], tensor.shape[1]) };
            let mut factor = |name: &str, shape: [usize; 2], storage| {
                let range = at..at + shape[0] * shape[1];
                at = range.end;
                let name = format!("base_model.model.{}.{name}.weight", module(tensor));
                Tensor { name, shape: shape.to_vec(), range, storage, role: Role::Matrix }
            };
            let down = factor("lora_A", [rank, inputs], Storage::Plain);
            // the rows of B go as those of the matrix; PEFT keeps both factors upright where the matrix is stored transposed
            let rows = if transposed { Storage::Plain } else { tensor.storage };
            let up = factor("lora_B", [outputs, rank], rows);
            adapted.push(Adapted { module: module(tensor).into(), matrix: tensor.range.clone(), inputs, down, up });
        }
        let of_head = |t: &&Tensor| {
            let spans = layout.scores.iter().flat_map(|s| [&s.weight, &s.bias]);
            spans.into_iter().any(|s| *s == t.range)
        };
        let mut heads = Vec::new();
        for tensor in layout.tensors.iter().filter(of_head) {
            let range = at..at + tensor.range.len();
            at = range.end;
            let name = format!("base_model.model.{}", tensor.name);
            heads.push((tensor.range.clone(), Tensor { name, range, ..tensor.clone() }));
        }
        Ok(Self { config: config.clone(), settings: settings.clone(), adapted, heads, len: at })
    }

    /// Length of φ.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: every block has linear maps.
    pub fn is_empty(&self) -> bool {
        self.adapted.is_empty()
    }

    /// The settings.
    pub fn settings(&self) -> &LoraSettings {
        &self.settings
    }

    /// φ at the start of training: A uniform on ±1/√in (PEFT's Kaiming-uniform with a = √5), B zero, score heads as in the base, so that
    /// θ(φ) = θ₀.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn init(&self, base: &[f32], rng: &mut Stream) -> Result<Vec<f32>> {
        Error::check_shape("base weights", Layout::new(&self.config)?.len(), base.len())?;
        let mut adapter = vec![0.0; self.len];
        self.take_heads(base, &mut adapter);
        for one in &self.adapted {
            let bound = 1.0 / (one.inputs as f64).sqrt();
            adapter[one.down.range.clone()].iter_mut().for_each(|a| *a = (bound * (2.0 * rng.uniform() - 1.0)) as f32);
        }
        Ok(adapter)
    }

    /// Where a score head's weights or biases, a range of θ, are in φ.
    pub(crate) fn place_of_head(&self, of_weights: &Range<usize>) -> Range<usize> {
        self.heads.iter().find(|(theirs, _)| theirs == of_weights).map_or(0..0, |(_, own)| own.range.clone())
    }

    /// Makes the score heads in φ those of some weights.
    fn take_heads(&self, params: &[f32], adapter: &mut [f32]) {
        for (theirs, own) in &self.heads {
            adapter[own.range.clone()].copy_from_slice(&params[theirs.clone()]);
        }
    }

    /// All adapted matrices, in the order of both flat vectors.
    pub(super) fn adapted(&self) -> &[Adapted] {
        &self.adapted
    }

    /// s.
    pub(super) fn scale(&self) -> f32 {
        (self.settings.alpha / self.settings.rank as f64) as f32
    }

    /// θ(φ): the base with every adapter's product added.
    ///
    /// # Shapes
    /// `base`, `merged`: the config's flat weights; `adapter`: [`Lora::len`].
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn merge(&self, base: &[f32], adapter: &[f32], merged: &mut [f32]) -> Result<()> {
        Error::check_shape("adapter", self.len, adapter.len())?;
        Error::check_shape("merged weights", base.len(), merged.len())?;
        merged.copy_from_slice(base);
        let (rank, scale) = (self.settings.rank, self.scale());
        for one in &self.adapted {
            let (down, up) = (&adapter[one.down.range.clone()], &adapter[one.up.range.clone()]);
            let up: Vec<f32> = up.iter().map(|b| scale * b).collect();
            let product = (Matrix::new(&up, up.len() / rank, rank), Matrix::new(down, rank, one.inputs));
            matmul(product.0, product.1, &mut merged[one.matrix.clone()], true);
        }
        for (theirs, own) in &self.heads {
            merged[theirs.clone()].copy_from_slice(&adapter[own.range.clone()]);
        }
        Ok(())
    }

    /// Adds the gradient by φ that follows from the gradient by θ at θ(φ): s Bᵀ G to that of A, s G Aᵀ to that of B.
    ///
    /// # Shapes
    /// `adapter`, `pulled`: [`Lora::len`]; `grad`: the config's flat weights.
    ///
    /// # Errors
    /// [`Error::Shape`].
    pub fn pull(&self, adapter: &[f32], grad: &[f32], pulled: &mut [f32]) -> Result<()> {
        Error::check_shape("adapter", self.len, adapter.len())?;
        Error::check_shape("gradient of the adapter", self.len, pulled.len())?;
        let (rank, scale) = (self.settings.rank, self.scale());
        for one in &self.adapted {
            let scaled =
                |range: &Range<usize>| -> Vec<f32> { adapter[range.clone()].iter().map(|v| scale * v).collect() };
            let (down, up) = (scaled(&one.down.range), scaled(&one.up.range));
            let outputs = up.len() / rank;
            let grad = Matrix::new(&grad[one.matrix.clone()], outputs, one.inputs);
            matmul(Matrix::new(&up, outputs, rank).t(), grad, &mut pulled[one.down.range.clone()], true);
            matmul(grad, Matrix::new(&down, rank, one.inputs).t(), &mut pulled[one.up.range.clone()], true);
        }
        for (theirs, own) in &self.heads {
            let pairs = pulled[own.range.clone()].iter_mut().zip(&grad[theirs.clone()]);
            pairs.for_each(|(p, g)| *p += g);
        }
        Ok(())
    }

    /// Writes `adapter_config.json` and `adapter_model.safetensors` as PEFT reads them; `base` names the model that is adapted.
    ///
    /// # Errors
    /// [`Error::Shape`]; a folder that cannot be written.
    pub fn save(&self, folder: &Path, adapter: &[f32], base: &str) -> Result<()> {
        Error::check_shape("adapter", self.len, adapter.len())?;
        fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
        let transposed = Layout::new(&self.config)?.tensors.iter().any(|t| t.storage == Storage::Transposed);
        let modules: Vec<&str> = self.adapted.iter().map(|a| a.module.as_str()).collect();
        let heads: Vec<&str> = self.config.scores.iter().map(|h| h.name.as_str()).collect();
        let settings = json!({
            "peft_type": "LORA",
            "task_type": if heads.is_empty() { "CAUSAL_LM" } else { "SEQ_CLS" },
            "modules_to_save": heads,
            "base_model_name_or_path": base,
            "r": self.settings.rank,
            "lora_alpha": self.settings.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "fan_in_fan_out": transposed,
            "use_rslora": false,
            "inference_mode": true,
            "target_modules": modules,
        });
        let text = serde_json::to_string_pretty(&settings).map_err(|e| Error::Usage(e.to_string()))?;
        replace(&folder.join("adapter_config.json"), text.as_bytes())?;
        let tensors: Vec<_> = self
            .tensors()
            .map(|t| (t.name.clone(), t.shape.clone(), to_file(t, &self.config, &adapter[t.range.clone()])))
            .collect();
        write_tensors(&folder.join("adapter_model.safetensors"), &tensors)
    }

    /// All tensors of φ.
    fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        let factors = self.adapted.iter().flat_map(|one| [&one.down, &one.up]);
        factors.chain(self.heads.iter().map(|(_, tensor)| tensor))
    }

    /// Reads a folder of PEFT's: the table for a model of this config, and φ.
    ///
    /// # Errors
    /// A missing or malformed file; another method than `LoRA`, or a variant of it that is not known (`rsLoRA`, `DoRA`, biases, ranks that
    /// differ between modules, modules outside the blocks' linear maps); tensors that do not fit the config.
    pub fn load(folder: &Path, config: &Config) -> Result<(Self, Vec<f32>)> {
        let path = folder.join("adapter_config.json");
        let text = fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| Error::content(&path, "JSON", e.to_string()))?;
        let lora = Self::new(config, &settings(&path, &json, config)?)?;
        let modules = targets(&path, &json)?;
        let wanted = |one: &Adapted| {
            modules.is_empty() || modules.iter().any(|m| one.module == *m || one.module.ends_with(&format!(".{m}")))
        };
        if !lora.adapted.iter().all(wanted) {
            let message = "names some modules of a kind and not others, which is not known";
            return Err(Error::content(&path, "target_modules", message));
        }
        let path = folder.join("adapter_model.safetensors");
        let mut file = TensorFile::open(&path)?;
        let mut adapter = vec![0.0; lora.len];
        for tensor in lora.tensors() {
            if !file.has(&tensor.name, &tensor.shape)? {
                return Err(Error::content(&path, &*tensor.name, "tensor is missing"));
            }
            from_file(tensor, config, &file.floats(&tensor.name)?, &mut adapter[tensor.range.clone()]);
        }
        let known: Vec<&str> = lora.tensors().map(|t| &*t.name).collect();
        if let Some(other) = file.names().into_iter().find(|n| !known.contains(&n.as_str())) {
            return Err(Error::content(&path, other, "tensor belongs to no adapted module"));
        }
        Ok((lora, adapter))
    }
}

/// A matrix's module.
fn module(tensor: &Tensor) -> &str {
    tensor.name.strip_suffix(".weight").unwrap_or(&tensor.name)
}

/// The settings of an `adapter_config.json`, its targets by their last parts.
fn settings(path: &Path, json: &Value, config: &Config) -> Result<LoraSettings> {
    let wrong = |key: &str, expected: &str| {
        let value = json.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
        Error::content(path, key, format!("{value}, expected {expected}"))
    };
    let is = |key: &str, legal: &[Value], expected: &str| match json.get(key) {
        Some(value) if !legal.contains(value) => Err(wrong(key, expected)),
        _ => Ok(()),
    };
    if json.get("peft_type") != Some(&json!("LORA")) {
        return Err(wrong("peft_type", "\"LORA\": no other method is known"));
    }
    let off = [json!(false), Value::Null];
    is("use_rslora", &off, "false: rank-stabilised scales are not known")?;
    is("use_dora", &off, "false: decomposed weights are not known")?;
    for key in ["use_qalora", "use_bdlora", "lora_bias", "alora_invocation_tokens"] {
        is(key, &off, "false or null: this variant is not known")?;
    }
    is("bias", &[json!("none")], "\"none\": trained biases are not known")?;
    for key in ["rank_pattern", "alpha_pattern"] {
        is(key, &[json!({}), Value::Null], "{}: ranks and scales by module are not known")?;
    }
    let heads: Vec<&str> = config.scores.iter().map(|h| h.name.as_str()).collect();
    if json.get("modules_to_save").unwrap_or(&Value::Null) != &json!(heads) {
        is("modules_to_save", &[json!([]), Value::Null], "the model's score heads and nothing else")?;
    }
    let rank = json.get("r").and_then(Value::as_u64).ok_or_else(|| wrong("r", "a whole number"))? as usize;
    let alpha = json.get("lora_alpha").and_then(Value::as_f64).ok_or_else(|| wrong("lora_alpha", "a number"))?;
    let mut names: Vec<String> =
        targets(path, json)?.iter().map(|m| m.rsplit('.').next().unwrap_or_default().to_owned()).collect();
    names.sort();
    names.dedup();
    Ok(LoraSettings { rank, alpha, targets: names })
}

/// `target_modules`: names, or their last parts; empty for `all-linear`.
fn targets(path: &Path, json: &Value) -> Result<Vec<String>> {
    let wrong = || Error::content(path, "target_modules", "expected a list of names or \"all-linear\"");
    match json.get("target_modules") {
        Some(Value::String(all)) if all == "all-linear" => Ok(Vec::new()),
        Some(Value::Array(names)) if !names.is_empty() => {
            names.iter().map(|n| n.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lm::cpu::{Engine, Keep, Signal};
    use crate::lm::{Batch, Size, init};

    fn configs() -> [Config; 3] {
        let size = Size { vocab: 11, width: 16, layers: 2, heads: 2, context: 8 };
        [Config::llama(size), Config::gpt2(size), Config::gpt_neox(size)]
    }

    fn settings() -> LoraSettings {
        LoraSettings { rank: 2, alpha: 3.0, targets: Vec::new() }
    }

    /// Σ log π of a text's tokens, and its gradient by θ.
    fn value(config: &Config, params: &[f32], grad: Option<&mut [f32]>) -> f64 {
        let mut engine = Engine::new(config).expect("legal");
        let batch = Batch::new(&[[1_u32, 4, 2, 9, 3]]);
        let choices = batch.completions(&[1]).expect("legal");
        engine.forward(params, &batch, Keep::All).expect("legal");
        let sum = engine.log_probs(params, &choices).expect("legal").iter().sum();
        if let Some(grad) = grad {
            let weights = vec![1.0; choices.len()];
            engine.backward(params, &Signal { log_probs: &weights, ..Signal::default() }, grad).expect("kept");
        }
        sum
    }

    fn random(len: usize, scale: f64, name: &str) -> Vec<f32> {
        let mut rng = Stream::named(&["lora", name]);
        (0..len).map(|_| (scale * rng.normal()) as f32).collect()
    }

    #[test]
    fn the_gradient_by_factors_is_that_of_central_differences() {
        for config in configs() {
            let lora = Lora::new(&config, &settings()).expect("legal");
            let base = init(&config, 0.3, &mut Stream::named(&["lora", "base"])).expect("a layout");
            let adapter = random(lora.len(), 0.2, "adapter");
            let at = |adapter: &[f32]| {
                let mut merged = vec![0.0; base.len()];
                lora.merge(&base, adapter, &mut merged).expect("fits");
                merged
            };
            let mut grad = vec![0.0; base.len()];
            value(&config, &at(&adapter), Some(&mut grad));
            let mut pulled = vec![0.0; lora.len()];
            lora.pull(&adapter, &grad, &mut pulled).expect("fits");
            for direction in 0..4 {
                let step = random(lora.len(), 1.0, &format!("direction {direction}"));
                let moved = |h: f32| -> Vec<f32> { adapter.iter().zip(&step).map(|(a, d)| a + h * d).collect() };
                let slope_at = |h: f32| {
                    let rise = value(&config, &at(&moved(h)), None) - value(&config, &at(&moved(-h)), None);
                    rise / (2.0 * f64::from(h))
                };
                // a step in all coordinates is a long one: two of them, and Richardson's extrapolation to none
                let slope = (4.0 * slope_at(1e-3) - slope_at(2e-3)) / 3.0;
                let told: f64 = pulled.iter().zip(&step).map(|(g, d)| f64::from(g * d)).sum();
                assert!((slope - told).abs() < 1e-2 * (1.0 + told.abs()), "{slope} {told}");
            }
        }
    }

    #[test]
    fn fresh_adapters_change_nothing_and_survive_the_disk() {
        for config in configs() {
            let lora = Lora::new(&config, &settings()).expect("legal");
            let base = init(&config, 0.3, &mut Stream::named(&["lora", "base"])).expect("a layout");
            let mut merged = vec![0.0; base.len()];
            let fresh = lora.init(&base, &mut Stream::named(&["lora", "fresh"])).expect("fits");
            lora.merge(&base, &fresh, &mut merged).expect("fits");
            assert_eq!(merged, base);
            assert!(fresh.iter().any(|a| *a != 0.0));
            let adapter = random(lora.len(), 0.2, "adapter");
            let folder = tempfile::tempdir().expect("a folder");
            lora.save(folder.path(), &adapter, "tiny").expect("written");
            let (again, read) = Lora::load(folder.path(), &config).expect("read");
            assert_eq!((again.settings().rank, read), (2, adapter));
        }
    }

    #[test]
    fn unknown_targets_and_variants_are_refused() {
        let config = &configs()[0];
        let error = Lora::new(config, &LoraSettings { targets: vec!["q_porj".into()], ..settings() });
        assert!(error.expect_err("a typo").to_string().contains("q_proj"));
        let lora = Lora::new(config, &LoraSettings { targets: vec!["q_proj".into()], ..settings() }).expect("legal");
        assert_eq!(lora.len(), 2 * 2 * (16 + 16));
        let folder = tempfile::tempdir().expect("a folder");
        lora.save(folder.path(), &vec![0.0; lora.len()], "tiny").expect("written");
        let path = folder.path().join("adapter_config.json");
        let text = fs::read_to_string(&path).expect("there");
        for (from, to, word) in [
            ("\"LORA\"", "\"IA3\"", "peft_type"),
            ("\"use_rslora\": false", "\"use_rslora\": true", "use_rslora"),
            ("\"r\": 2", "\"r\": 3", "shape"),
        ] {
            assert!(text.contains(from), "{from}");
            fs::write(&path, text.replace(from, to)).expect("written");
            assert!(Lora::load(folder.path(), config).expect_err(word).to_string().contains(word), "{word}");
        }
    }
}
