//! Rows over time in one line of characters, for formats without pictures. Pure.

use super::Curve;

/// From nothing to the most.
const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One character a look, oldest first.
pub(super) fn draw_sparkline(curve: &Curve) -> String {
    let most = curve
        .points
        .iter()
        .map(|point| point.seen.rows)
        .max()
        .unwrap_or(0)
        .max(1);
    let draw = |rows: i64| {
        let position = i128::from(rows.max(0)) * 7 / i128::from(most);
        usize::try_from(position)
            .ok()
            .and_then(|position| STEPS.get(position))
            .copied()
            .unwrap_or('█')
    };
    curve
        .points
        .iter()
        .map(|point| draw(point.seen.rows))
        .collect()
}
