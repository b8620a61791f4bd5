//! The head and table of contents of `pg_dump`'s custom format, versions 1.14 to 1.16. The data
//! behind them is in `archive`.

use super::identifier::show_text;

/// Version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArchiveVersion {
    /// Major number.
    pub major: u8,
    /// Minor number.
    pub minor: u8,
}

/// An entry of the table of contents, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentsEntry {
    /// Number by which its data refers to it.
    pub dump_id: i64,
    /// Object id of what it is about, if it says it.
    pub oid: Option<i64>,
    /// Whether data follows.
    pub has_data: bool,
    /// What it is, such as `TABLE DATA`.
    pub description: String,
    /// Schema, empty if it has none.
    pub schema: String,
    /// Name.
    pub name: String,
    /// The COPY statement that its data belongs to; empty if there is none.
    pub copy_statement: String,
    /// The tablespace that it is in, empty for the default one.
    pub tablespace: String,
    /// The role that owns it, empty if none does.
    pub owner: String,
    /// What it is, if only a superuser can create it.
    pub for_superusers: Option<&'static str>,
    /// Whether it is a table whose policies hold even for its owner.
    pub forces_row_security: bool,
    /// The statement that creates it, or sets its value; empty if there is none.
    pub definition: String,
    /// The numbers of the entries that it needs.
    pub dependencies: Vec<i64>,
}

/// Head and table of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveHead {
    /// Version of the format.
    pub version: ArchiveVersion,
    /// Bytes of an integer.
    pub integer_size: usize,
    /// Version of the server that was dumped.
    pub server_version: String,
    /// Version of `pg_dump`.
    pub client_version: String,
    pub entries: Vec<ContentsEntry>,
}

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadProblem {
    /// More bytes are needed.
    More,
    /// The bytes are not what the format says.
    Odd(String),
    /// It is the custom format, in a version that nobody here knows.
    UnknownVersion(ArchiveVersion),
}

/// A text longer than this is not in any real table of contents.
const TEXT_LIMIT: i64 = 1 << 30;

/// Reads from the front of a slice of bytes.
pub struct Reader<'bytes> {
    bytes: &'bytes [u8],
    position: usize,
    integer_size: usize,
}

impl<'bytes> Reader<'bytes> {
    /// Starts at the front.
    pub const fn new(bytes: &'bytes [u8], integer_size: usize) -> Self {
        Self {
            bytes,
            position: 0,
            integer_size,
        }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Takes that many bytes.
    pub fn take(&mut self, length: usize) -> Result<&'bytes [u8], ReadProblem> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let taken = rest.get(..length).ok_or(ReadProblem::More)?;
        self.position += length;
        Ok(taken)
    }

    /// Takes one byte.
    pub fn byte(&mut self) -> Result<u8, ReadProblem> {
        self.take(1)?.first().copied().ok_or(ReadProblem::More)
    }

    /// Takes a sign byte and an integer, least byte first.
    pub fn integer(&mut self) -> Result<i64, ReadProblem> {
        let sign = self.byte()?;
        let bytes = self.take(self.integer_size)?;
        let magnitude = bytes
            .iter()
            .rev()
            .fold(0_i64, |value, byte| (value << 8) | i64::from(*byte));
        match sign {
            0 => Ok(magnitude),
            1 => Ok(-magnitude),
            other => Err(ReadProblem::Odd(format!("an integer has the sign {other}"))),
        }
    }

    /// Takes a text; a length below zero is none.
    fn optional_text(&mut self) -> Result<Option<String>, ReadProblem> {
        let length = self.integer()?;
        if length > TEXT_LIMIT {
            return Err(ReadProblem::Odd(format!("a text has {length} bytes")));
        }
        let Ok(length) = usize::try_from(length) else {
            return Ok(None);
        };
        Ok(Some(show_text(self.take(length)?)))
    }

    fn text(&mut self) -> Result<String, ReadProblem> {
        Ok(self.optional_text()?.unwrap_or_default())
    }
}

/// The part of the head with a size that is known beforehand.
pub const PREFIX_LENGTH: usize = 11;
const FORMAT_CUSTOM: u8 = 1;

/// Reads head and table of contents, and returns how many bytes they took.
pub fn parse_head(bytes: &[u8]) -> Result<(ArchiveHead, usize), ReadProblem> {
    let mut reader = Reader::new(bytes, 0);
    if reader.take(5)? != b"PGDMP" {
        return Err(ReadProblem::Odd("it does not begin with PGDMP".to_owned()));
    }
    let version = ArchiveVersion {
        major: reader.byte()?,
        minor: reader.byte()?,
    };
    reader.byte()?;
    if version.major != 1 || !(14..=16).contains(&version.minor) {
        return Err(ReadProblem::UnknownVersion(version));
    }
    let integer_size = usize::from(reader.byte()?);
    let offset_size = usize::from(reader.byte()?);
    if !(1..=7).contains(&integer_size) || offset_size > 16 {
        return Err(ReadProblem::Odd(format!(
            "integers of {integer_size} and offsets of {offset_size} bytes"
        )));
    }
    if reader.byte()? != FORMAT_CUSTOM {
        return Err(ReadProblem::Odd(
            "it is not in the custom format".to_owned(),
        ));
    }
    debug_assert_eq!(reader.position(), PREFIX_LENGTH);
    reader.integer_size = integer_size;
    // A level up to 1.14, the number of an algorithm from 1.15.
    let compression = if version.minor >= 15 {
        i64::from(reader.byte()?)
    } else {
        reader.integer()?
    };
    if compression != 0 {
        return Err(ReadProblem::Odd(
            "its data is compressed, so its rows can't be counted".to_owned(),
        ));
    }
    for _ in 0..7 {
        reader.integer()?;
    }
    reader.text()?;
    let server_version = reader.text()?;
    let client_version = reader.text()?;
    let count = reader.integer()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(parse_entry(&mut reader, version, offset_size)?);
    }
    Ok((
        ArchiveHead {
            version,
            integer_size,
            server_version,
            client_version,
            entries,
        },
        reader.position(),
    ))
}

fn parse_entry(
    reader: &mut Reader<'_>,
    version: ArchiveVersion,
    offset_size: usize,
) -> Result<ContentsEntry, ReadProblem> {
    let dump_id = reader.integer()?;
    let has_data = reader.integer()? != 0;
    let _table_oid = reader.optional_text()?;
    let oid = reader.optional_text()?;
    let name = reader.text()?;
    let description = reader.text()?;
    let _section = reader.integer()?;
    let definition = reader.text()?;
    let _drop_statement = reader.optional_text()?;
    let copy_statement = reader.text()?;
    let schema = reader.text()?;
    let for_superusers = needs_superuser(&description, &definition);
    // pg_dump writes it with what enables row security, or into the table's own entry.
    let forces_row_security = ["TABLE", "ROW SECURITY"].contains(&description.as_str())
        && definition.contains(" FORCE ROW LEVEL SECURITY;");
    let tablespace = reader.text()?;
    let _access_method = reader.optional_text()?;
    if version.minor >= 16 {
        let _relation_kind = reader.integer()?;
    }
    let owner = reader.text()?;
    let _with_oids = reader.optional_text()?;
    let mut dependencies = Vec::new();
    while let Some(number) = reader.optional_text()? {
        dependencies.extend(number.parse::<i64>().ok());
    }
    reader.take(1 + offset_size)?;
    Ok(ContentsEntry {
        dump_id,
        oid: oid.and_then(|oid| oid.parse().ok()).filter(|oid| *oid != 0),
        has_data,
        description,
        schema,
        name,
        copy_statement,
        tablespace,
        owner,
        for_superusers,
        forces_row_security,
        definition,
        dependencies,
    })
}

/// What an entry is, if only a superuser can create it.
fn needs_superuser(description: &str, definition: &str) -> Option<&'static str> {
    let is_native = |language: &str| {
        [" ", "\n"]
            .iter()
            .any(|end| definition.contains(&format!("\n    LANGUAGE {language}{end}")))
    };
    match description {
        "EVENT TRIGGER" => Some("event trigger"),
        "PUBLICATION" if definition.contains("FOR ALL TABLES") => Some("publication of all tables"),
        "PUBLICATION TABLES IN SCHEMA" => Some("publication of a schema"),
        "FUNCTION" | "PROCEDURE" if is_native("c") || is_native("internal") => {
            Some("function in C")
        }
        "FOREIGN DATA WRAPPER" => Some("foreign-data wrapper"),
        "OPERATOR CLASS" => Some("operator class"),
        "OPERATOR FAMILY" => Some("operator family"),
        "ACCESS METHOD" => Some("access method"),
        "SHELL TYPE" => Some("base type"),
        "PROCEDURAL LANGUAGE" => Some("language"),
        "TEXT SEARCH PARSER" => Some("text search parser"),
        "TEXT SEARCH TEMPLATE" => Some("text search template"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::needs_superuser;

    #[test]
    fn what_only_a_superuser_can_create_is_known() {
        let publication = "CREATE PUBLICATION p FOR ALL TABLES WITH (publish = 'insert');";
        let function =
            "CREATE FUNCTION public.f() RETURNS int\n    LANGUAGE c STRICT\n    AS 'f', 'f';";
        for (description, definition, needed) in [
            ("EVENT TRIGGER", "", true),
            ("PUBLICATION", publication, true),
            ("PUBLICATION", "CREATE PUBLICATION p;", false),
            ("FUNCTION", function, true),
            (
                "FUNCTION",
                "CREATE FUNCTION f() RETURNS int\n    LANGUAGE sql\n AS 'LANGUAGE c'",
                false,
            ),
            ("TABLE", "CREATE TABLE t (id int);", false),
        ] {
            let found = needs_superuser(description, definition).is_some();
            assert_eq!(found, needed, "{description} {definition}");
        }
    }
}
