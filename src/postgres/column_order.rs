//! The columns of a table that inherits, in an order that a restore does not change: it puts those of the parent
//! first, also where one was added to the parent later.

use super::any_order::RowSum;

/// Puts the fields of each row into the order of the columns' names.
#[derive(Debug)]
pub(super) struct ColumnOrder {
    /// For each place, where the field is in the row.
    places: Vec<usize>,
    /// The beginning of a row.
    begun: Vec<u8>,
}

impl ColumnOrder {
    /// Of the columns of a COPY statement.
    pub(super) fn read(statement: &str) -> Option<Self> {
        let (_, rest) = statement.split_once(" (")?;
        let (columns, _) = rest.rsplit_once(") FROM stdin")?;
        let names = split_names(columns);
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by_key(|place| &names[*place]);
        Some(Self {
            places,
            begun: Vec::new(),
        })
    }

    /// Passes the rows of this data on.
    pub(super) fn pass(&mut self, data: &[u8], sum: &mut RowSum) {
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if let Some(row) = self.begun.strip_suffix(b"\n") {
                sum.push(&self.arrange(row));
                self.begun.clear();
            }
        }
    }

    /// In COPY's text format a tab inside a value is written as `\t`, so each one is between two fields.
    fn arrange(&self, row: &[u8]) -> Vec<u8> {
        let fields: Vec<&[u8]> = row.split(|byte| *byte == b'\t').collect();
        let mut arranged = if fields.len() == self.places.len() {
            let fields: Vec<&[u8]> = self.places.iter().map(|place| fields[*place]).collect();
            fields.join(&b'\t')
        } else {
            row.to_vec()
        };
        arranged.push(b'\n');
        arranged
    }
}

/// Names between commas; a comma between quotation marks is part of a name.
fn split_names(columns: &str) -> Vec<&str> {
    let mut is_quoted = false;
    columns
        .split(|character: char| {
            is_quoted ^= character == '"';
            character == ',' && !is_quoted
        })
        .map(str::trim)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(statement: &str, pieces: &[&[u8]]) -> Option<super::super::AnyOrderDigest> {
        let mut columns = ColumnOrder::read(statement)?;
        let mut sum = RowSum::new([7; 32]);
        for piece in pieces {
            columns.pass(piece, &mut sum);
        }
        Some(sum.digest())
    }

    #[test]
    fn the_order_of_columns_does_not_matter_and_their_values_do() {
        let one = digest(
            "COPY public.ch (a, b, c) FROM stdin;\n",
            &[b"1\t2\t3\n4\t5\t6\n"],
        );
        let cut: [&[u8]; 3] = [b"4\t6\t", b"5\n1", b"\t3\t2\n"];
        assert!(one.is_some());
        assert_eq!(one, digest("COPY public.ch (a, c, b) FROM stdin;\n", &cut));
        let other: [&[u8]; 1] = [b"1\t3\t2\n4\t5\t6\n"];
        assert_ne!(
            one,
            digest("COPY public.ch (a, c, b) FROM stdin;\n", &other)
        );
        assert_eq!(split_names("a, \"b, c\", d"), ["a", "\"b, c\"", "d"]);
        assert!(ColumnOrder::read("COPY public.t  FROM stdin;").is_none());
    }
}
