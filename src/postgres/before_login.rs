//! What a server says before anybody is logged in: how it asks for a password, and the salts that
//! tell one database cluster, and one role, from another. No password is ever sent.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::sasl::SCRAM_SHA_256;
use postgres_protocol::message::backend::{ErrorResponseBody, Message};
use postgres_protocol::message::frontend;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect as _};

use crate::api::{LoginMethod, TlsMode, WithoutLogin};

use super::{APPLICATION_NAME, Login, build_connector};

/// The role that is asked about in addition to the agent's own. Always the same, because the salt is made
/// of the name too, and one that nobody has.
const NOBODY: &str = "holdfast-asks-for-nobody";
/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(3);
/// How long it may take to see whether something listens.
const SHORT_LIMIT: Duration = Duration::from_secs(1);
/// The longest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;
/// Begins a SCRAM exchange without channel binding. The nonce need not be random, because the
/// exchange never gets as far as to prove anything.
const FIRST_MESSAGE: &[u8] = b"n,,n=,r=holdfast-asks-only-for-the-salt";
/// Hex digits of a digest that are kept.
const DIGITS: usize = 32;

/// What a server says to one role.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// The salt of its password, or one that is made up.
    Salt(String),
    /// It asks in a way that has no salt that stays.
    Asks(LoginMethod),
    /// It lets the role in.
    LetsIn,
    /// It refuses; whether it had accepted the role's name before, and its words.
    Refuses {
        was_let_in: bool,
        code: String,
        message: String,
    },
    /// Nothing that can be understood.
    Nothing,
}

/// Asks what a server says to nobody and to the agent's own role, if that is known. `stranger` has
/// the server's address.
pub async fn fetch_without_login(
    stranger: &Login,
    login: Option<&Login>,
    database: &str,
) -> WithoutLogin {
    // Nobody's name is no secret, so it may be said to any server that answers: that it is another
    // one, without the encryption that was asked for, is what is to be found out.
    let nobody = ask(stranger, database, true).await;
    let own = match login {
        Some(login) => ask(login, database, false).await,
        None => Answer::Nothing,
    };
    build(&nobody, &own, login.map(|login| login.username.as_str()))
}

/// The digest for nobody at another port of the server; empty if nothing listens there.
pub async fn fetch_digest_at(stranger: &Login, database: &str) -> Option<String> {
    let address = (stranger.host.as_str(), stranger.port);
    ensure_present(stranger).await.ok()?;
    match timeout(SHORT_LIMIT, TcpStream::connect(address)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Some(String::new()),
        Ok(Ok(_)) => match ask(stranger, database, true).await {
            Answer::Salt(salt) => Some(digest(&salt)),
            _ => None,
        },
        Ok(Err(_)) | Err(_) => None,
    }
}

fn build(nobody: &Answer, own: &Answer, role: Option<&str>) -> WithoutLogin {
    let salt = |answer: &Answer| match answer {
        Answer::Salt(salt) => Some(digest(salt)),
        _ => None,
    };
    WithoutLogin {
        method: match if role.is_some() { own } else { nobody } {
            Answer::Salt(_) => LoginMethod::ScramSha256,
            Answer::Asks(method) => *method,
            Answer::LetsIn
            | Answer::Refuses {
                was_let_in: true, ..
            } => LoginMethod::None,
            Answer::Refuses { .. } => LoginMethod::Refused,
            Answer::Nothing => LoginMethod::Unknown,
        },
        cluster_digest: salt(nobody),
        role: role.map(digest),
        role_digest: salt(own),
        role_missing: role.is_some_and(|role| says_the_same(own, role, nobody)),
        default_port_digest: None,
        configured_directory: String::new(),
    }
}

/// Whether the server says of a role, in its own language, what it says of one that does not exist.
/// Only after it has accepted the name: before that it may refuse everybody alike.
fn says_the_same(own: &Answer, role: &str, nobody: &Answer) -> bool {
    let (
        Answer::Refuses {
            was_let_in: true,
            code,
            message,
        },
        Answer::Refuses {
            was_let_in: true,
            code: expected,
            message: pattern,
        },
    ) = (own, nobody)
    else {
        return false;
    };
    pattern.contains(NOBODY) && code == expected && *message == pattern.replace(NOBODY, role)
}

fn digest(text: &str) -> String {
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(DIGITS);
    digest
}

impl Login {
    /// Nobody at an address: there is nothing to keep secret, so no certificate is verified.
    #[must_use]
    pub fn nobody(host: &str, port: u16, tls_mode: TlsMode) -> Self {
        Self {
            host: host.to_owned(),
            port,
            username: NOBODY.to_owned(),
            password: String::new(),
            tls_mode: match tls_mode {
                TlsMode::VerifyFull => TlsMode::Require,
                mode => mode,
            },
            certificate: None,
            tls_ca: None,
            tls_server_name: None,
            presence: None,
            options: "",
            secret: super::SecretNames {
                name: String::new(),
                username_key: String::new(),
                password_key: String::new(),
                namespace: String::new(),
                certificate: None,
            },
        }
    }
}

async fn ask(login: &Login, database: &str, also_in_clear: bool) -> Answer {
    match timeout(LIMIT, connect_and_ask(login, database, also_in_clear)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            tracing::debug!("nothing can be learnt without a login: {error}");
            Answer::Nothing
        }
        Err(_) => Answer::Nothing,
    }
}

/// Another pod may have the address by now: not even a role's name is sent to it.
async fn ensure_present(login: &Login) -> io::Result<()> {
    match &login.presence {
        Some(presence) => presence
            .ask()
            .await
            .map_err(|absence| io::Error::other(absence.message)),
        None => Ok(()),
    }
}

/// The same rules for encryption as at the login.
async fn connect_and_ask(login: &Login, database: &str, also_in_clear: bool) -> io::Result<Answer> {
    ensure_present(login).await?;
    let mut socket = TcpStream::connect((login.host.as_str(), login.port)).await?;
    if login.tls_mode == TlsMode::Disable {
        return converse(socket, &login.username, database).await;
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await?;
    match socket.read_u8().await? {
        b'S' => {
            let name = login.tls_server_name.as_ref().unwrap_or(&login.host);
            let mut connector = build_connector(login).map_err(io::Error::other)?;
            let connect = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector, name)
                .map_err(io::Error::other)?;
            let stream = connect.connect(socket).await.map_err(io::Error::other)?;
            converse(stream, &login.username, database).await
        }
        b'N' if also_in_clear || login.tls_mode == TlsMode::Prefer => {
            converse(socket, &login.username, database).await
        }
        _ => Ok(Answer::Nothing),
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    role: &str,
    database: &str,
) -> io::Result<Answer> {
    let parameters = [
        ("user", role),
        ("database", database),
        ("application_name", APPLICATION_NAME),
    ];
    let mut said = BytesMut::new();
    frontend::startup_message(parameters, &mut said)?;
    stream.write_all(&said).await?;
    stream.flush().await?;
    let mut heard = BytesMut::new();
    let mut was_let_in = false;
    loop {
        match next_message(&mut stream, &mut heard).await? {
            Message::AuthenticationSasl(_) => {
                said.clear();
                frontend::sasl_initial_response(SCRAM_SHA_256, FIRST_MESSAGE, &mut said)?;
                stream.write_all(&said).await?;
                stream.flush().await?;
            }
            Message::AuthenticationSaslContinue(body) => {
                return Ok(salt_of(body.data()).map_or(Answer::Nothing, Answer::Salt));
            }
            Message::AuthenticationMd5Password(_) => return Ok(Answer::Asks(LoginMethod::Md5)),
            Message::AuthenticationCleartextPassword => {
                return Ok(Answer::Asks(LoginMethod::Password));
            }
            Message::AuthenticationOk => was_let_in = true,
            Message::ErrorResponse(body) => return read_refusal(&body, was_let_in),
            Message::NoticeResponse(_) => {}
            Message::ParameterStatus(_) | Message::BackendKeyData(_) if was_let_in => {
                said.clear();
                frontend::terminate(&mut said);
                stream.write_all(&said).await?;
                stream.flush().await?;
                return Ok(Answer::LetsIn);
            }
            _ => return Ok(Answer::Nothing),
        }
    }
}

async fn next_message(
    stream: &mut (impl AsyncRead + Unpin),
    heard: &mut BytesMut,
) -> io::Result<Message> {
    loop {
        if let Some(message) = Message::parse(heard)? {
            return Ok(message);
        }
        if heard.len() > ANSWER_LIMIT {
            return Err(io::Error::other("the answer is too long"));
        }
        if stream.read_buf(heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The salt in a server's first message, `r=NONCE,s=SALT,i=COUNT`.
fn salt_of(message: &[u8]) -> Option<String> {
    let message = std::str::from_utf8(message).ok()?;
    let salt = message
        .split(',')
        .find_map(|attribute| attribute.strip_prefix("s="))?;
    (!salt.is_empty()).then(|| salt.to_owned())
}

fn read_refusal(body: &ErrorResponseBody, was_let_in: bool) -> io::Result<Answer> {
    let (mut code, mut message) = (String::new(), String::new());
    let mut fields = body.fields();
    while let Some(field) = fields.next()? {
        let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value(),
            b'M' => message = value(),
            _ => {}
        }
    }
    Ok(Answer::Refuses {
        was_let_in,
        code,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(was_let_in: bool, message: &str) -> Answer {
        Answer::Refuses {
            was_let_in,
            code: "28000".to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_salt_is_the_second_attribute_of_the_servers_first_message() {
        let salt = |message: &str| salt_of(message.as_bytes());
        assert_eq!(
            salt("r=abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").as_deref(),
            Some("W22ZaJ0SNY7soEsUEjb6gQ==")
        );
        assert_eq!(salt("r=abc,i=4096"), None);
        assert_eq!(salt("e=other-error"), None);
    }

    #[test]
    fn salts_are_kept_as_digests_and_names_too() {
        let salt = |text: &str| Answer::Salt(text.to_owned());
        let found = build(&salt("made up"), &salt("own"), Some("admin"));
        assert_eq!(found.method, LoginMethod::ScramSha256);
        assert_eq!(found.cluster_digest, Some(digest("made up")));
        assert_eq!(found.role_digest, Some(digest("own")));
        assert_ne!(found.role.as_deref(), Some("admin"));
        let unknown = build(&salt("made up"), &Answer::Nothing, None);
        assert_eq!((unknown.role, unknown.role_digest), (None, None));
        let changing = build(
            &Answer::Asks(LoginMethod::Md5),
            &Answer::Asks(LoginMethod::Md5),
            Some("admin"),
        );
        assert_eq!(changing.method, LoginMethod::Md5);
        assert_eq!(
            (changing.cluster_digest, changing.role_digest),
            (None, None)
        );
    }

    #[test]
    fn a_server_without_passwords_says_in_any_language_that_a_role_is_missing() {
        let missing =
            |own: &Answer, nobody: &Answer| build(nobody, own, Some("admin")).role_missing;
        let nobody = refuses(true, &format!("Rolle »{NOBODY}« existiert nicht"));
        assert!(missing(
            &refuses(true, "Rolle »admin« existiert nicht"),
            &nobody
        ));
        assert!(!missing(
            &refuses(true, "Rolle »admin« hat keine Berechtigung zum Einloggen"),
            &nobody
        ));
        assert!(!missing(&Answer::LetsIn, &nobody));
        let all_refused = |role: &str| {
            refuses(
                false,
                &format!("no pg_hba.conf entry for host \"10.0.0.1\", user \"{role}\""),
            )
        };
        assert!(!missing(&all_refused("admin"), &all_refused(NOBODY)));
    }
}
