//! The drawings of a history: a figure over all runs, and the life of one leak.

use std::fmt::Write;

use super::{plain::Figure, story::Life};
use crate::report::html::svg::{at, escaped};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
/// Room for the axes' figures.
const LEFT: f64 = 56.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 24.0;

/// The width and height of a life's drawing.
const LIFE: (f64, f64) = (420.0, 30.0);

/// Where the middle of the run `number` of so many is, between two ends.
fn x(number: usize, runs: usize, (left, right): (f64, f64)) -> f64 {
    left + (number as f64 + 0.5) / (runs as f64) * (right - left)
}

/// A figure as steps, from nothing up where nothing is a value that it may have; marks where leaks came and went.
pub(super) fn figure(figure: &Figure, marks: &[(usize, usize, usize)], ends: [&str; 2]) -> String {
    let runs = figure.values.len();
    let (high, mut low) = (figure.high(), figure.low());
    // What hardly moves is not blown up, and counts of leaks begin at none.
    if low > 0.0 && (figure.name == "leaks open" || low < high / 2.0) {
        low = 0.0;
    }
    let span = (high - low).max(f64::MIN_POSITIVE);
    let sides = (LEFT, WIDTH - RIGHT);
    let (floor, ceiling) = (HEIGHT - BOTTOM, TOP);
    let y = |value: f64| {
        let share = if high > low {
            (value - low) / span
        } else {
            0.5
        };
        floor - share * (floor - ceiling)
    };
    let half = (sides.1 - sides.0) / runs as f64 / 2.0;
    let mut path = String::new();
    for (number, value) in figure.values.iter().enumerate() {
        let middle = x(number, runs, sides);
        let first = if number == 0 { 'M' } else { 'L' };
        let (from, to, height) = (at(middle - half), at(middle + half), at(y(*value)));
        let _ = write!(path, "{first}{from} {height}H{to}");
    }
    let told = format!(
        "{}: {} now, {} to {}{}",
        figure.name,
        figure.shown(figure.last()),
        figure.shown(figure.low()),
        figure.shown(high),
        figure.unit
    );
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{}</title>\
         <path class=\"axis\" d=\"M{LEFT} {ceiling}V{floor}H{}\"/>",
        escaped(&told, 200),
        sides.1
    );
    if figure.name == "leaks open" {
        let from = at(x(0, runs, sides) - half);
        let _ = write!(svg, "<path class=\"area\" d=\"{path}V{floor}H{from}z\"/>");
    }
    let _ = write!(svg, "<path class=\"steps\" d=\"{path}\"/>");
    for (number, came, gone) in marks {
        let middle = x(*number, runs, sides);
        // Of two forms, so that they are told apart without colours.
        if *came > 0 {
            let _ = write!(
                svg,
                "<path class=\"came\" d=\"M{} {}l4 7h-8z\"><title>{came} came</title></path>",
                at(middle),
                at(floor - 9.0)
            );
        }
        if *gone > 0 {
            let _ = write!(
                svg,
                "<path class=\"gone\" d=\"M{} {}l4 -7h-8z\"><title>{gone} gone</title></path>",
                at(middle),
                at(floor + 9.0)
            );
        }
    }
    let mut label = |x: f64, y: f64, anchor: &str, text: &str| {
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            at(x),
            at(y),
            escaped(text, 40)
        );
    };
    if high > low {
        label(LEFT - 6.0, floor, "end", &figure.shown(low));
        label(LEFT - 6.0, ceiling + 9.0, "end", &figure.shown(high));
    } else {
        label(LEFT - 6.0, y(high) + 4.0, "end", &figure.shown(high));
    }
    label(LEFT, HEIGHT - 4.0, "start", ends[0]);
    label(sides.1, HEIGHT - 4.0, "end", ends[1]);
    svg.push_str("</svg>");
    svg
}

/// A leak over all runs: a bar while it is there, and its rate as a line in it.
pub(super) fn life(life: &Life<'_>, told: &str) -> String {
    let runs = life.rates.len();
    let (width, height) = LIFE;
    let sides = (2.0, width - 2.0);
    let half = (sides.1 - sides.0) / runs as f64 / 2.0;
    let mut svg = format!(
        "<svg class=\"life\" viewBox=\"0 0 {width} {height}\" role=\"img\"><title>{}</title>\
         <path class=\"axis\" d=\"M{} {}H{}\"/>",
        escaped(told, 200),
        sides.0,
        height - 2.0,
        sides.1
    );
    for (came, gone) in &life.spans {
        let from = x(*came, runs, sides) - half;
        let to = x(
            gone.map_or(runs - 1, |gone| gone.saturating_sub(1)),
            runs,
            sides,
        ) + half;
        let class = if gone.is_none() { "span open" } else { "span" };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{}\" y=\"2\" width=\"{}\" height=\"{}\"/>",
            at(from),
            at((to - from).max(1.0)),
            at(height - 4.0)
        );
    }
    let high = life.rates.iter().flatten().copied().fold(0.0, f64::max);
    let mut path = String::new();
    let mut pen_is_up = true;
    for (number, rate) in life.rates.iter().enumerate() {
        let Some(rate) = rate.filter(|_| high > 0.0) else {
            // Between two times of its life there is no line.
            let is_there = life
                .spans
                .iter()
                .any(|(came, gone)| *came <= number && gone.is_none_or(|gone| number < gone));
            pen_is_up |= !is_there;
            continue;
        };
        let (middle, level) = (
            x(number, runs, sides),
            height - 5.0 - rate / high * (height - 11.0),
        );
        let pen = if pen_is_up { 'M' } else { 'L' };
        let _ = write!(path, "{pen}{} {}h0.1", at(middle), at(level));
        pen_is_up = false;
    }
    if !path.is_empty() {
        let _ = write!(svg, "<path class=\"steps\" d=\"{path}\"/>");
    }
    svg.push_str("</svg>");
    svg
}
