//! One field of a cron line, read as Kubernetes reads it (robfig/cron, the parser of the `CronJob`
//! controller), and written out as a plain list of numbers, which every cron library understands
//! alike.

/// What a field may hold.
pub(super) struct Field {
    /// Its name in messages.
    pub name: &'static str,
    least: u32,
    most: u32,
    words: &'static [&'static str],
}

/// The fields of a cron line, each as `*` or as a list of numbers.
pub(super) type PlainFields = [String; 5];

const MONTHS: &[&str] = &[
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The five fields in their order. Sunday is 0 only: Kubernetes refuses 7.
pub(super) const FIELDS: [Field; 5] = [
    Field {
        name: "the minute",
        least: 0,
        most: 59,
        words: &[],
    },
    Field {
        name: "the hour",
        least: 0,
        most: 23,
        words: &[],
    },
    Field {
        name: "the day of the month",
        least: 1,
        most: 31,
        words: &[],
    },
    Field {
        name: "the month",
        least: 1,
        most: 12,
        words: MONTHS,
    },
    Field {
        name: "the day of the week",
        least: 0,
        most: 6,
        words: WEEKDAYS,
    },
];

impl Field {
    /// The field as `*` or as a list of numbers.
    ///
    /// `*` is kept apart from a list of all values because it decides whether the two kinds of day
    /// are joined by "and" or by "or". Kubernetes asks whether any item is `*` or `?` without a
    /// step above 1; others ask only how the text begins.
    pub(super) fn normalize(&self, text: &str) -> Result<String, String> {
        let mut wanted: u64 = 0;
        let mut any = false;
        for item in text.split(',') {
            let (bits, star) = self.item(item)?;
            wanted |= bits;
            any |= star;
        }
        if any {
            return Ok("*".to_owned());
        }
        let values = (self.least..=self.most)
            .filter(|value| wanted & (1 << value) != 0)
            .map(|value| value.to_string());
        Ok(values.collect::<Vec<_>>().join(","))
    }

    /// `*`, `N`, `N-M`, each also with `/STEP`; `N/STEP` means from N to the end.
    fn item(&self, item: &str) -> Result<(u64, bool), String> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(number(step).ok_or_else(|| self.wrong(item))?)),
            None => (item, None),
        };
        let star = matches!(range, "*" | "?");
        let (first, last) = match range.split_once('-') {
            _ if star => (self.least, self.most),
            Some((first, last)) => (self.value(first, item)?, self.value(last, item)?),
            None => {
                let first = self.value(range, item)?;
                (first, if step.is_some() { self.most } else { first })
            }
        };
        if first > last || step == Some(0) {
            return Err(self.wrong(item));
        }
        let step = step.unwrap_or(1);
        let bits = (first..=last)
            .filter(|value| (value - first) % step == 0)
            .fold(0, |bits, value| bits | 1 << value);
        Ok((bits, star && step == 1))
    }

    fn value(&self, text: &str, item: &str) -> Result<u32, String> {
        let word = self
            .words
            .iter()
            .position(|word| word.eq_ignore_ascii_case(text));
        let value = match word {
            Some(position) => u32::try_from(position)
                .ok()
                .map(|position| position + self.least),
            None => number(text),
        };
        value
            .filter(|value| (self.least..=self.most).contains(value))
            .ok_or_else(|| self.wrong(item))
    }

    fn wrong(&self, item: &str) -> String {
        let words = match self.words {
            [first, .., last] => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "{item:?} is not {}: Kubernetes takes {} to {}{words}, *, ranges A-B, lists A,B and \
             steps A/N",
            self.name, self.least, self.most
        )
    }
}

/// Digits only: a sign is no number here.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().ok()
    } else {
        None
    }
}
