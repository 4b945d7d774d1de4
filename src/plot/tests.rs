//! What must hold for every figure: nothing panics, nothing is cut off, no two texts meet, everything is named.

use proptest::prelude::*;

use super::gallery;
use super::scene::{Align, Mark, Rect, Scene, Text};
use super::{Axis, Chart, Layer, Panel, Scale, Stroke, draw, png, svg, text};

/// The box that a text fills.
fn extent(text: &Text) -> Rect {
    let width = text::width(&text.content, text.size, text.bold);
    let start = match text.align {
        Align::Start => 0.0,
        Align::Middle => -width / 2.0,
        Align::End => -width,
    };
    let (above, below) = (0.49 * text.size, 0.5 * text.size);
    let (x, y) = text.at;
    if text.upwards {
        Rect { left: x - above, right: x + below, top: y - start - width, bottom: y - start }
    } else {
        Rect { left: x + start, right: x + start + width, top: y - above, bottom: y + below }
    }
}

fn overlap(a: &Rect, b: &Rect) -> bool {
    let slack = 1.0;
    a.left + slack < b.right && b.left + slack < a.right && a.top + slack < b.bottom && b.top + slack < a.bottom
}

/// The first text that leaves the page or meets another.
fn fault(scene: &Scene) -> Option<String> {
    let texts: Vec<&Text> = scene
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Text(text) => Some(text),
            _ => None,
        })
        .collect();
    let page = Rect { left: 0.0, top: 0.0, right: scene.width, bottom: scene.height };
    for (i, text) in texts.iter().enumerate() {
        let area = extent(text);
        if !(page.holds((area.left, area.top), 0.0) && page.holds((area.right, area.bottom), 0.0)) {
            return Some(format!("{:?} leaves the page: {area:?}", text.content));
        }
        if let Some(other) = texts[..i].iter().find(|other| overlap(&extent(other), &area)) {
            return Some(format!("{:?} meets {:?} at {area:?}", text.content, other.content));
        }
    }
    None
}

/// All numbers of the marks are finite and near the page.
fn wild(scene: &Scene) -> Option<String> {
    let page = Rect { left: 0.0, top: 0.0, right: scene.width, bottom: scene.height };
    let near = |p: &(f64, f64)| page.holds(*p, 20.0);
    scene.marks.iter().find_map(|mark| {
        let fine = match mark {
            Mark::Path { points, .. } | Mark::Polygon { points, .. } => points.iter().all(near),
            Mark::Block { area, .. } => near(&(area.left, area.top)) && near(&(area.right, area.bottom)),
            Mark::Disc { center, .. } => near(center),
            Mark::Text(text) => near(&text.at),
        };
        (!fine).then(|| format!("{mark:?}"))
    })
}

fn decode(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = ::png::Decoder::new(std::io::Cursor::new(bytes));
    decoder.set_transformations(::png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.truncate(info.buffer_size());
    (info.width, info.height, pixels)
}

#[test]
fn no_text_of_the_gallery_is_cut_off_or_meets_another() {
    for (name, chart) in gallery::all() {
        let scene = draw::scene(&chart);
        assert_eq!(fault(&scene), None, "{name}");
        assert_eq!(wild(&scene), None, "{name}");
    }
}

#[test]
fn the_png_has_the_page_size_is_small_not_blank_and_repeats() {
    for (name, chart) in gallery::all() {
        let bytes = png(&chart).unwrap();
        let (width, height, pixels) = decode(&bytes);
        let scene = draw::scene(&chart);
        assert_eq!((f64::from(width), f64::from(height)), (scene.width, scene.height), "{name}");
        assert_eq!(width, 1200, "{name}");
        let ink = pixels.chunks_exact(3).filter(|p| p.iter().any(|c| *c < 128)).count();
        assert!(ink > 150, "{name}: {ink} dark pixels");
        assert!(bytes.len() < 300_000, "{name}: {} bytes", bytes.len());
        assert!(bytes == png(&chart).unwrap(), "{name}: other bytes the second time");
    }
}

#[test]
fn the_svg_names_everything_in_the_bundled_family() {
    for (name, chart) in gallery::all() {
        let svg = svg(&chart).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{name}");
        assert!(svg.contains(&format!("<title>{}</title>", chart.title)), "{name}");
        assert!(chart.panels.is_empty() || svg.contains("font-family=\"DejaVu Sans, sans-serif\""), "{name}");
        for layer in chart.panels.iter().flat_map(|panel| &panel.layers) {
            let (Layer::Line { series: entry, .. }
            | Layer::Band { series: entry, .. }
            | Layer::ErrorBars { series: entry, .. }
            | Layer::Scatter { series: entry, .. }
            | Layer::Bars { series: entry, .. }
            | Layer::Reference { label: entry, .. }
            | Layer::Horizontal { label: entry, .. }
            | Layer::Vertical { label: entry, .. }
            | Layer::ColoredScatter { value_label: entry, .. }
            | Layer::Heat { value_label: entry, .. }) = layer;
            let lines = svg.lines().filter(|line| *line == entry.replace('\'', "&apos;")).count();
            assert!(lines >= 1, "{name}: {entry}");
            let bar = matches!(layer, Layer::ColoredScatter { .. } | Layer::Heat { .. });
            assert!(bar || lines == 1, "{name}: {entry} is listed {lines} times");
        }
    }
}

#[test]
fn markup_in_names_does_not_break_the_svg() {
    let points = vec![(0.0, 0.0), (1.0, 1.0)];
    let layer = Layer::Line { series: "<b> & \"c\"".into(), points, stroke: Stroke::Solid, markers: false };
    let panel = Panel { layers: vec![layer], ..Panel::default() };
    let svg = svg(&Chart { title: "a < b & c".into(), panels: vec![panel], ..Chart::default() }).unwrap();
    assert!(svg.contains("<title>a &lt; b &amp; c</title>"));
    assert!(svg.contains("&lt;b&gt; &amp; &quot;c&quot;"));
}

#[test]
fn a_band_alone_is_listed_too() {
    let layer = Layer::Band { series: "all draws".into(), points: vec![(0.0, 0.0, 1.0), (1.0, 1.0, 2.0)] };
    let panel = Panel { layers: vec![layer], ..Panel::default() };
    assert!(svg(&Chart { panels: vec![panel], ..Chart::default() }).unwrap().contains("all draws"));
}

/// Values of all kinds, wild ones among them.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -10.0..10.0,
        2 => (-320_i32..308).prop_map(|e| 10_f64.powi(e)),
        1 => any::<f64>(),
        1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX)],
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-e]", "[a-z]{1,9}( [a-zα-ω]{1,12}){0,12}", "[A-Z]{40,90}"]
}

fn layer() -> impl Strategy<Value = Layer> {
    let rows = || prop::collection::vec((value(), value(), value(), value()), 0..12);
    let stroke = prop_oneof![Just(Stroke::Solid), Just(Stroke::Dashed), Just(Stroke::Dotted)];
    let place = || prop_oneof![8 => 0_usize..12, 1 => any::<usize>()];
    prop_oneof![
        (name(), rows(), stroke, any::<bool>()).prop_map(|(series, rows, stroke, markers)| {
            let points = rows.into_iter().map(|r| (r.0, r.1)).collect();
            Layer::Line { series, points, stroke, markers }
        }),
        (name(), rows()).prop_map(|(series, rows)| {
            Layer::Band { series, points: rows.into_iter().map(|r| (r.0, r.1, r.2)).collect() }
        }),
        (name(), rows()).prop_map(|(series, points)| Layer::ErrorBars { series, points }),
        (name(), rows()).prop_map(|(series, rows)| {
            Layer::Scatter { series, points: rows.into_iter().map(|r| (r.0, r.1)).collect() }
        }),
        (name(), rows(), prop::option::of((value(), value()))).prop_map(|(value_label, rows, range)| {
            let points = rows.into_iter().map(|r| (r.0, r.1, r.2)).collect();
            Layer::ColoredScatter { points, value_label, range }
        }),
        (name(), prop::collection::vec((place(), value(), value(), value()), 0..8))
            .prop_map(|(series, bars)| Layer::Bars { series, bars }),
        (name(), prop::collection::vec((place(), place(), value()), 0..12), any::<bool>())
            .prop_map(|(value_label, cells, signed)| Layer::Heat { cells, value_label, signed }),
        (name(), rows()).prop_map(|(label, rows)| {
            Layer::Reference { label, points: rows.into_iter().map(|r| (r.0, r.1)).collect() }
        }),
        (name(), value()).prop_map(|(label, y)| Layer::Horizontal { label, y }),
        (name(), value()).prop_map(|(label, x)| Layer::Vertical { label, x }),
    ]
}

fn any_axis() -> impl Strategy<Value = Axis> {
    let names = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(name(), 1..40)];
    let scale = prop_oneof![Just(Scale::Linear), Just(Scale::Log)];
    (name(), scale, prop::option::of((value(), value())), names).prop_map(|(label, scale, range, categories)| Axis {
        label,
        scale,
        range,
        categories,
    })
}

fn chart() -> impl Strategy<Value = Chart> {
    let panel =
        (name(), any_axis(), any_axis(), prop::collection::vec(layer(), 0..5)).prop_map(|(title, x, y, mut layers)| {
            // A second heat map rightly paints over the numbers of the first.
            let mut heats = 0;
            layers.retain(|layer| {
                heats += usize::from(matches!(layer, Layer::Heat { .. }));
                heats < 2 || !matches!(layer, Layer::Heat { .. })
            });
            Panel { title, x, y, layers }
        });
    (name(), name(), prop::collection::vec(panel, 0..7), 0_usize..8)
        .prop_map(|(title, subtitle, panels, columns)| Chart { title, subtitle, panels, columns })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_chart_has_texts_that_meet_or_leave_the_page(chart in chart()) {
        let scene = draw::scene(&chart);
        prop_assert_eq!(fault(&scene), None);
        prop_assert_eq!(wild(&scene), None);
        prop_assert!(svg(&chart).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_chart_becomes_a_png(chart in chart()) {
        let (width, height, _) = decode(&png(&chart).unwrap());
        prop_assert!(width >= 1200 && height >= 100);
    }
}
