//! The incident report in a real browser: the pages of the golden tests, laid out and measured, in
//! light and dark, wide and narrow.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod devtools;

use std::fs;
use std::path::{Path, PathBuf};

use devtools::Browser;
use serde::Deserialize;
use tempfile::TempDir;

/// Measures the page.
const MEASURE: &str = include_str!("measure.js");
/// The contrast that readable text needs (WCAG 2.2, level AA).
const READABLE: f64 = 4.5;

#[derive(Clone, Copy, Debug, Deserialize)]
struct Rectangle {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
    width: f64,
    height: f64,
}

impl Rectangle {
    /// Half a pixel is rounding.
    fn holds(&self, other: &Self) -> bool {
        other.left >= self.left - 0.5
            && other.right <= self.right + 0.5
            && other.top >= self.top - 0.5
            && other.bottom <= self.bottom + 0.5
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right - 0.5
            && other.left < self.right - 0.5
            && self.top < other.bottom - 0.5
            && other.top < self.bottom - 0.5
    }
}

#[derive(Debug, Deserialize)]
struct Label {
    text: String,
    class: String,
    #[serde(rename = "box")]
    place: Rectangle,
    contrast: f64,
}

#[derive(Debug, Deserialize)]
struct Mark {
    class: String,
    #[serde(rename = "box")]
    place: Rectangle,
    shown: bool,
}

#[derive(Debug, Deserialize)]
struct Words {
    text: String,
    contrast: f64,
}

#[derive(Debug, Deserialize)]
struct Measured {
    picture: Option<Rectangle>,
    labels: Vec<Label>,
    marks: Vec<Mark>,
    words: Vec<Words>,
    ground: String,
    overflow: f64,
    strangers: u64,
    loaded: u64,
    title: String,
}

/// A page of the golden tests as a file.
fn golden_page(name: &str) -> (TempDir, PathBuf) {
    let snapshot = format!("src/incident/snapshots/holdfast__incident__tests__{name}_html.snap");
    let snapshot =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(snapshot)).unwrap();
    let page = snapshot.splitn(3, "---\n").nth(2).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    fs::write(&file, page).unwrap();
    (folder, file)
}

fn measure(browser: &mut Browser, file: &Path, scheme: &str, width: u32) -> Measured {
    browser.load(file, scheme, width);
    serde_json::from_value(browser.evaluate(MEASURE)).unwrap()
}

fn assert_laid_out(measured: &Measured, what: &str) {
    assert!(
        measured.overflow <= 0.0,
        "{what}: the page is wider than its window by {}",
        measured.overflow
    );
    assert_eq!(
        (measured.strangers, measured.loaded),
        (0, 0),
        "{what}: nothing is loaded, and nothing can run"
    );
    for words in &measured.words {
        assert!(
            words.contrast >= READABLE,
            "{what}: contrast {:.1} of {:?}",
            words.contrast,
            words.text
        );
    }
    let Some(picture) = &measured.picture else {
        return;
    };
    assert!(
        picture.width >= 600.0 && picture.height >= 250.0,
        "{what}: {picture:?}"
    );
    for (position, label) in measured.labels.iter().enumerate() {
        assert!(
            label.place.width > 0.0 && label.place.height > 0.0,
            "{what}: {label:?}"
        );
        assert!(
            picture.holds(&label.place),
            "{what}: outside of the picture: {label:?}"
        );
        assert!(label.contrast >= READABLE, "{what}: {label:?}");
        for other in &measured.labels[position + 1..] {
            assert!(
                !label.place.overlaps(&other.place),
                "{what}: {label:?} and {other:?} lie over each other"
            );
        }
    }
    for mark in &measured.marks {
        assert!(mark.shown && picture.holds(&mark.place), "{what}: {mark:?}");
        assert!(
            mark.place.width > 0.0 || mark.place.height > 0.0,
            "{what}: {mark:?}"
        );
    }
}

#[test]
fn every_page_is_readable_in_light_and_dark_wide_and_narrow() {
    let mut browser = Browser::start();
    for name in ["incident", "healthy", "unreadable", "hostile", "recovered"] {
        let (_folder, file) = golden_page(name);
        let mut grounds = Vec::new();
        for (scheme, width) in [
            ("light", 1_100),
            ("dark", 1_100),
            ("light", 390),
            ("dark", 390),
        ] {
            let measured = measure(&mut browser, &file, scheme, width);
            assert_laid_out(&measured, &format!("{name}, {scheme}, {width} wide"));
            assert!(
                measured.title.ends_with("incident report"),
                "{}",
                measured.title
            );
            grounds.push(measured.ground);
        }
        assert_ne!(grounds[0], grounds[1], "{name}: dark is not light");
    }
}

#[test]
fn a_loss_is_obvious_and_both_numbers_are_there() {
    let mut browser = Browser::start();
    let (_folder, file) = golden_page("incident");
    let measured = measure(&mut browser, &file, "light", 1_100);
    let texts: Vec<&str> = measured
        .labels
        .iter()
        .map(|label| label.text.as_str())
        .collect();
    let wanted = [
        "31,422",
        "28",
        "85",
        "1",
        "26,337",
        "27",
        "◆ other volume",
        "starts",
        "pvc-a",
        "pvc-b",
        "minimum 80",
        "minimum 10,000",
    ];
    for text in wanted {
        assert!(texts.contains(&text), "{text:?} is not among {texts:?}");
    }
    let of_class = |class: &'static str| {
        measured
            .marks
            .iter()
            .filter(move |mark| mark.class == class)
            .map(|mark| mark.place)
    };
    // The picture is drawn 960 wide and shown as wide as the page: the fall of the tall panel is
    // most of its height.
    let lowest_good = of_class("point")
        .take(6)
        .map(|place| place.bottom)
        .fold(0.0, f64::max);
    let highest_bad = of_class("bad-point")
        .take(2)
        .map(|place| place.top)
        .fold(f64::INFINITY, f64::min);
    assert!(
        highest_bad - lowest_good > 80.0,
        "{lowest_good} to {highest_bad}"
    );
    let change = of_class("change")
        .next()
        .expect("a line where the volume changed");
    let height = measured.picture.expect("a picture").height;
    assert!(
        change.height > height * 0.8,
        "the line crosses all panels: {change:?}"
    );
    assert_eq!(
        (
            of_class("start-sign").count(),
            of_class("volume").count(),
            of_class("other-volume").count()
        ),
        (2, 1, 1)
    );
    let last = measured
        .labels
        .iter()
        .find(|label| label.class.starts_with("last"))
        .expect("the number of now");
    let tick = measured
        .labels
        .iter()
        .find(|label| label.class == "tick")
        .expect("a tick");
    assert!(
        last.place.height > tick.place.height,
        "what is there now is written larger than the axis"
    );
}

#[test]
fn a_screen_reader_is_told_what_the_picture_shows() {
    let mut browser = Browser::start();
    let (_folder, file) = golden_page("incident");
    browser.load(&file, "light", 1_100);
    let nodes = browser.accessible_nodes();
    let picture = nodes
        .iter()
        .find(|node| node["role"]["value"] == "image" || node["role"]["value"] == "img");
    let name = picture.expect("a picture")["name"]["value"]
        .as_str()
        .expect("a name")
        .to_owned();
    for told in [
        "Rows over time",
        "all tables",
        "31,422 at most, 28 at 2026-02-01 11:00:03 UTC",
        "public.experts",
        "volume pvc-b",
    ] {
        assert!(name.contains(told), "{told:?} is not in {name:?}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let mut browser = Browser::start();
    let (_folder, file) = golden_page("hostile");
    let measured = measure(&mut browser, &file, "light", 1_100);
    assert!(
        measured.picture.is_some(),
        "a name does not end the picture"
    );
    let shown = browser.evaluate(
        "document.body.innerText.includes('<script>alert(1)</script><img src=x onerror=alert(1)>')",
    );
    assert_eq!(shown, true, "what was written is shown as it was written");
    let headings = browser.evaluate("document.querySelectorAll('h1').length");
    assert_eq!(headings, 1);
}
