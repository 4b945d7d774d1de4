//! One chart of each kind, for the tests; with `REWARDLAB_GALLERY` set to a folder, a test writes the pictures there.

use std::f64::consts::TAU;

use super::{Axis, Chart, Layer, Panel, Scale, Stroke};

/// A fixed stream of numbers in [0, 1): pictures need no good randomness.
struct Noise(u64);

impl Noise {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos()
    }
}

fn axis(label: &str, scale: Scale) -> Axis {
    Axis { label: label.into(), scale, ..Axis::default() }
}

fn named(label: &str, names: &[&str]) -> Axis {
    Axis { label: label.into(), categories: names.iter().map(|&n| n.into()).collect(), ..Axis::default() }
}

fn learning_curve(series: &str, level: f64, rate: f64, stroke: Stroke, noise: &mut Noise) -> Vec<Layer> {
    let steps: Vec<f64> = (0..=120).map(|i| f64::from(i) * 50.0).collect();
    let mean = |t: f64| level * (1.0 - (-t * rate).exp());
    let points: Vec<(f64, f64)> = steps.iter().map(|&t| (t, mean(t) + 0.008 * noise.normal())).collect();
    let band = points.iter().map(|&(t, y)| (t, y - 0.04 - 0.02 * noise.unit(), y + 0.04)).collect();
    vec![
        Layer::Band { series: series.into(), points: band },
        Layer::Line { series: series.into(), points, stroke, markers: false },
    ]
}

/// Learning curves with bands and a reference value.
fn curves() -> Chart {
    let mut noise = Noise(1);
    let mut layers = Vec::new();
    for (name, level, rate, stroke) in [
        ("SFT", 0.95, 4e-3, Stroke::Solid),
        ("RFT", 0.55, 8e-4, Stroke::Solid),
        ("RFT, high initial reward", 0.82, 1.2e-3, Stroke::Dashed),
        ("partial SFT then RFT", 0.9, 2e-3, Stroke::Dotted),
    ] {
        layers.extend(learning_curve(name, level, rate, stroke, &mut noise));
    }
    layers.push(Layer::Horizontal { label: "largest possible reward".into(), y: 1.0 });
    Chart {
        title: "Reward of inputs with small initial reward std: finetuning by reward stalls, supervised does not"
            .into(),
        subtitle: "Mean over 10 seeds, exact expected gradients; bands: 95% bootstrap intervals.".into(),
        panels: vec![Panel {
            title: String::new(),
            x: axis("optimisation steps", Scale::Linear),
            y: axis("expected reward", Scale::Linear),
            layers,
        }],
        columns: 0,
    }
}

/// A cloud of thousands of points under bounds, both axes logarithmic.
fn bounds() -> Chart {
    let mut noise = Noise(2);
    let mut layers = Vec::new();
    for (name, offset) in [("tabular", 0.4), ("shared features", 0.15), ("small MLP", 0.05)] {
        let points = (0..2500)
            .map(|_| {
                let std = 10_f64.powf(-6.0 * noise.unit());
                (std, offset * std * (0.5 * noise.normal()).exp())
            })
            .collect();
        layers.push(Layer::Scatter { series: name.into(), points });
    }
    let curve = |f: fn(f64) -> f64| (-60..=0).map(|i| 10_f64.powf(f64::from(i) / 10.0)).map(|x| (x, f(x))).collect();
    layers.push(Layer::Reference {
        label: "bound of Theorem 1, slope 2/3".into(),
        points: curve(|x| 6.0 * x.powf(2.0 / 3.0)),
    });
    layers.push(Layer::Reference { label: "γ·√(L/2)·STD, slope 1".into(), points: curve(|x| x / 2_f64.sqrt()) });
    Chart {
        title: "Gradient norm against reward std".into(),
        subtitle: "100 000 random draws per family (2 500 shown), exact gradients.".into(),
        panels: vec![Panel {
            title: String::new(),
            x: axis("reward std under the policy, STD[r]", Scale::Log),
            y: axis("gradient norm ‖∇V‖", Scale::Log),
            layers,
        }],
        columns: 0,
    }
}

/// Coloured clouds side by side.
fn colored() -> Chart {
    let mut noise = Noise(3);
    let panel = |title: &str, shift: f64, noise: &mut Noise| Panel {
        title: title.into(),
        x: axis("mean reward", Scale::Linear),
        y: axis("reward std", Scale::Linear),
        layers: vec![Layer::ColoredScatter {
            points: (0..1200)
                .map(|_| {
                    let mean = (2.0 * noise.unit() - 1.0 + shift).clamp(-1.0, 1.0);
                    let std = (1.0 - mean * mean).max(0.0).sqrt() * noise.unit().powf(0.3);
                    (mean, std, std * (1.0 + 0.2 * noise.normal()))
                })
                .collect(),
            value_label: "gradient norm".into(),
            range: None,
        }],
    };
    Chart {
        title: "Per-input mean and std of the reward".into(),
        subtitle: "Each point is one training input.".into(),
        panels: vec![
            panel("pretrained", -0.6, &mut noise),
            panel("after RFT", 0.2, &mut noise),
            panel("after SFT", 0.7, &mut noise),
        ],
        columns: 0,
    }
}

/// Grouped bars with intervals.
fn bars() -> Chart {
    let names = ["no remedy", "learning rate ×10", "temperature 2", "entropy bonus", "one SFT epoch"];
    let mut noise = Noise(4);
    let layers = ["small reward std", "large reward std", "all inputs"]
        .map(|series| Layer::Bars {
            series: series.into(),
            bars: (0..names.len())
                .map(|i| {
                    let height = 0.2 + 0.6 * noise.unit() - if i == 2 { 0.5 } else { 0.0 };
                    (i, height, height - 0.05, height + 0.08)
                })
                .collect(),
        })
        .into_iter()
        .chain([Layer::Horizontal { label: "SFT on everything".into(), y: 0.93 }])
        .collect();
    Chart {
        title: "What helps against vanishing gradients".into(),
        subtitle: "Rise of the mean reward after 2 000 steps; whiskers: 95% bootstrap intervals over 10 seeds.".into(),
        panels: vec![Panel {
            title: String::new(),
            x: named("remedy", &names),
            y: axis("rise of the mean reward", Scale::Linear),
            layers,
        }],
        columns: 0,
    }
}

/// Heat maps.
fn heat() -> Chart {
    let rows = ["1%", "5%", "10%", "25%", "50%", "100%"];
    let columns = ["0", "0.1", "0.2", "0.4", "0.6", "0.8", "1"];
    let panel = |title: &str, power: f64| Panel {
        title: title.into(),
        x: named("share of the SFT steps", &columns),
        y: named("share of the labelled inputs", &rows),
        layers: vec![Layer::Heat {
            cells: (0..7)
                .flat_map(|x| {
                    (0..6).map(move |y| (x, y, ((x as f64 + 0.3) / 7.0 * (y as f64 + 1.0) / 6.0).powf(power) - 0.1))
                })
                .collect(),
            value_label: "mean reward after RFT".into(),
            signed: false,
        }],
    };
    Chart {
        title: "How much supervised finetuning is enough".into(),
        subtitle: "Mean over 10 seeds; the printed values are what the colours show.".into(),
        panels: vec![panel("shared features", 0.4), panel("no shared features (control)", 1.0)],
        columns: 2,
    }
}

/// Six panels with all kinds of axes.
fn multiples() -> Chart {
    let mut noise = Noise(5);
    let scales = [Scale::Linear, Scale::Log];
    let panels = (0..6)
        .map(|i| {
            let (x, y) = (scales[i % 2], scales[(i / 2) % 2]);
            let size = [1e-5, 1e-3, 0.1, 10.0, 1e3, 1e5][i];
            let curve = |f: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
                (1..=30).map(|k| (f64::from(k) * size, f(f64::from(k)))).collect()
            };
            let mut layers = vec![
                Layer::Line {
                    series: "REINFORCE".into(),
                    points: curve(&|k| 1.0 / k),
                    stroke: Stroke::Solid,
                    markers: false,
                },
                Layer::Line {
                    series: "GRPO".into(),
                    points: curve(&|k| 3.0 / k.sqrt()),
                    stroke: Stroke::Dashed,
                    markers: true,
                },
                Layer::ErrorBars {
                    series: "Dr. GRPO".into(),
                    points: (1..=6)
                        .map(|k| {
                            let y = 0.5 + 0.1 * noise.unit();
                            (f64::from(k) * 4.5 * size, y, y - 0.2, y + 0.3)
                        })
                        .collect(),
                },
                Layer::Reference { label: "slope −1 (theory)".into(), points: curve(&|k| 2.0 / k) },
                Layer::Vertical { label: "group size of the paper".into(), x: 16.0 * size },
            ];
            if i == 4 {
                layers.truncate(1);
            }
            Panel {
                title: ["p₀ = 0.1", "p₀ = 0.01", "p₀ = 10⁻³, a title that needs two lines", "d", "e", "f"][i].into(),
                x: axis("group size", x),
                y: axis("bias of the update", y),
                layers,
            }
        })
        .collect();
    Chart { title: "Small multiples".into(), subtitle: "Every combination of axes.".into(), panels, columns: 3 }
}

/// More series than colours, long names, long title.
fn crowd() -> Chart {
    let layers = (0..12)
        .map(|i| Layer::Line {
            series: format!(
                "task {i}: a name of some length{}",
                if i == 7 { " that goes on and on and on" } else { "" }
            ),
            points: (0..40).map(|k| (f64::from(k), f64::from(i) + (f64::from(k) / 5.0 + f64::from(i)).sin())).collect(),
            stroke: Stroke::Solid,
            markers: true,
        })
        .collect();
    Chart {
        title: "A title that is much too long for one line because its author could not decide what to leave out, and \
                so it goes on to the second line"
            .into(),
        subtitle: "The subtitle is long as well: it explains what the bands are, how many seeds there were, what was \
                   computed exactly and what was sampled, and with which parameters."
            .into(),
        panels: vec![Panel {
            title: "panel title".into(),
            x: axis("a horizontal axis with a label", Scale::Linear),
            y: axis("a vertical axis whose label is so long that it has to be broken into two lines", Scale::Linear),
            layers,
        }],
        columns: 0,
    }
}

/// What must not break.
fn degenerate() -> Chart {
    let line =
        |points: Vec<(f64, f64)>| Layer::Line { series: "s".into(), points, stroke: Stroke::Solid, markers: true };
    let panel = |title: &str, scale: Scale, layers: Vec<Layer>| Panel {
        title: title.into(),
        x: axis("x", Scale::Linear),
        y: axis("y", scale),
        layers,
    };
    let nan = f64::NAN;
    let panels = vec![
        panel("no layers", Scale::Linear, vec![]),
        panel("one point", Scale::Linear, vec![line(vec![(3.0, 7.0)])]),
        panel("all equal", Scale::Linear, vec![line(vec![(0.0, 2.0), (1.0, 2.0), (2.0, 2.0)])]),
        panel(
            "NaN and infinite",
            Scale::Linear,
            vec![line(vec![(0.0, 1.0), (1.0, nan), (2.0, 3.0), (f64::INFINITY, 1.0)])],
        ),
        panel("nothing positive on log", Scale::Log, vec![line(vec![(0.0, -1.0), (1.0, 0.0)])]),
        panel("1e-300 … 1e300", Scale::Log, vec![line(vec![(0.0, 1e-300), (1.0, 1.0), (2.0, 1e300)])]),
        panel("huge, linear", Scale::Linear, vec![line(vec![(-1e299, -1e299), (0.0, 3.0), (1e299, 1e299)])]),
        panel("narrow log", Scale::Log, vec![line(vec![(0.0, 0.31), (1.0, 0.74)])]),
        panel("very narrow", Scale::Log, vec![line(vec![(0.0, 1234.1), (1.0, 1234.2)])]),
    ];
    Chart { title: "Degenerate input".into(), subtitle: String::new(), panels, columns: 0 }
}

/// Error bars on category axes, a panel whose range is fixed, bars on a log axis, many long names.
fn categories() -> Chart {
    let mut noise = Noise(6);
    let families = ["tabular", "shared features", "small MLP", "transformer"];
    let mut panels = Vec::new();
    let layers = ["paper's bound", "sharper bound"].map(|series| Layer::ErrorBars {
        series: series.into(),
        points: (0..4)
            .map(|i| {
                let y = 10_f64.powf(-2.0 * noise.unit());
                (f64::from(i), y, y * 0.6, if i == 3 { f64::INFINITY } else { y * 1.5 })
            })
            .collect(),
    });
    panels.push(Panel {
        title: "tightness".into(),
        x: named("family", &families),
        y: axis("largest ratio", Scale::Log),
        layers: layers.into_iter().chain([Layer::Horizontal { label: "tight".into(), y: 1.0 }]).collect(),
    });
    let bars = |count: usize, noise: &mut Noise| {
        ["paper's bound", "sharper bound"].map(|series| Layer::Bars {
            series: series.into(),
            bars: (0..count)
                .map(|i| {
                    let y = 10_f64.powf(4.0 * noise.unit() - 2.0);
                    (i, y, y / 2.0, y * 2.0)
                })
                .collect(),
        })
    };
    panels.push(Panel {
        title: "bars on a log axis".into(),
        x: named("family", &families),
        y: axis("seconds", Scale::Log),
        layers: bars(4, &mut noise).into(),
    });
    let many: Vec<String> = (0..24).map(|i| format!("task number {i} of many")).collect();
    panels.push(Panel {
        title: "many names".into(),
        x: Axis { categories: many, ..Axis::default() },
        y: axis("seconds", Scale::Linear),
        layers: bars(24, &mut noise).into(),
    });
    let wave: Vec<(f64, f64)> = (0..400).map(|i| f64::from(i) / 20.0).map(|x| (x, 2.0 * x.sin())).collect();
    let band = wave.iter().map(|&(x, y)| (x, y - 0.4, y + 0.4)).collect();
    panels.push(Panel {
        title: "fixed range, data beyond it".into(),
        x: Axis { range: Some((2.0, 15.0)), ..axis("x", Scale::Linear) },
        y: Axis { range: Some((-1.0, 1.5)), ..axis("y", Scale::Linear) },
        layers: vec![
            Layer::Band { series: "wave".into(), points: band },
            Layer::Line { series: "wave".into(), points: wave, stroke: Stroke::Solid, markers: false },
        ],
    });
    Chart { title: "Categories and fixed ranges".into(), subtitle: String::new(), panels, columns: 2 }
}

/// Eight panels in four columns, clouds on log axes with colour and a curve.
fn wide() -> Chart {
    let mut noise = Noise(7);
    let panels = (0..8)
        .map(|i| {
            let cloud = (0..4000).map(|_| {
                let x = 10_f64.powf(-4.0 * noise.unit());
                (x, x.powf(0.5 + 0.1 * f64::from(i)) * (0.4 * noise.normal()).exp(), noise.unit())
            });
            Panel {
                title: format!("task {i}"),
                x: axis("reward std", Scale::Log),
                y: axis("change of reward", Scale::Log),
                layers: vec![
                    Layer::ColoredScatter {
                        points: cloud.collect(),
                        value_label: "initial reward".into(),
                        range: Some((0.0, 1.0)),
                    },
                    Layer::Reference { label: "slope 1".into(), points: vec![(1e-4, 1e-4), (1.0, 1.0)] },
                ],
            }
        })
        .collect();
    Chart { title: "Eight tasks".into(), subtitle: "32 000 points.".into(), panels, columns: 4 }
}

/// Every chart, by file name.
pub(super) fn all() -> Vec<(&'static str, Chart)> {
    vec![
        ("curves", curves()),
        ("bounds", bounds()),
        ("colored", colored()),
        ("bars", bars()),
        ("heat", heat()),
        ("multiples", multiples()),
        ("crowd", crowd()),
        ("categories", categories()),
        ("wide", wide()),
        ("degenerate", degenerate()),
        ("empty", Chart::default()),
    ]
}

#[test]
fn writes_the_gallery_where_asked() {
    let Some(folder) = std::env::var_os("REWARDLAB_GALLERY").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).unwrap();
    for (name, chart) in all() {
        std::fs::write(folder.join(format!("{name}.png")), super::png(&chart).unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.svg")), super::svg(&chart).unwrap()).unwrap();
    }
}
