//! A headless Chromium of this machine, driven through its `DevTools` protocol on a pipe: no port,
//! no network, a profile of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::Selection;

/// How long the browser may take to answer; far longer than it ever needs.
const PATIENCE: Duration = Duration::from_mins(2);
/// The browser reads commands from descriptor 3 and answers on 4; the shell gives it its standard
/// input and output as those.
const LAUNCHER: &str = r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null"#;
/// What keeps the browser from talking to anybody and from asking anything.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];

/// A running browser with one page. It ends with this value.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    number: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser, which is installed first where there is none.
    pub fn start() -> Self {
        install();
        let profile = tempfile::tempdir().expect("a folder for the profile");
        let mut process = Command::new("sh")
            .args(["-c", LAUNCHER, "sh"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let commands = process.stdin.take().expect("a pipe");
        let messages = read_messages(process.stdout.take().expect("a pipe"));
        let mut browser = Self {
            process,
            commands,
            messages,
            session: None,
            number: 0,
            _profile: profile,
        };
        let target =
            browser.ask("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.ask(
            "Target.attachToTarget",
            &json!({"targetId": target, "flatten": true}),
        );
        browser.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        browser.ask("Page.enable", &json!({}));
        browser.ask("Page.setLifecycleEventsEnabled", &json!({"enabled": true}));
        browser
    }

    /// Loads a file as somebody sees it who prefers this scheme of colours, in a window of this
    /// width.
    pub fn load(&mut self, file: &Path, scheme: &str, width: u32) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 1_000, "deviceScaleFactor": 1, "mobile": false}),
        );
        self.ask(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
        let navigated = self.ask(
            "Page.navigate",
            &json!({"url": format!("file://{}", file.display())}),
        );
        assert_eq!(navigated["errorText"], Value::Null, "{}", file.display());
        // Of this navigation: the empty page that a browser begins with may be loaded only now.
        self.wait_for(|message| {
            let event = &message["params"];
            message["method"] == "Page.lifecycleEvent"
                && event["name"] == "load"
                && event["loaderId"] == navigated["loaderId"]
        });
    }

    /// Evaluates an expression in the page.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask(
            "Runtime.evaluate",
            &json!({"expression": expression, "returnByValue": true}),
        );
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// What a screen reader is told of the page.
    pub fn accessible_nodes(&mut self) -> Vec<Value> {
        let tree = self.ask("Accessibility.getFullAXTree", &json!({}));
        tree["nodes"].as_array().cloned().unwrap_or_default()
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut command = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands
            .write_all(&bytes)
            .expect("the browser to listen");
        let number = self.number;
        let answer = self.wait_for(|message| message["id"] == json!(number));
        assert_eq!(answer["error"], Value::Null, "{method}");
        answer["result"].clone()
    }

    fn wait_for(&self, is_meant: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self
                .messages
                .recv_timeout(PATIENCE)
                .expect("the browser has ended or does not answer");
            if is_meant(&message) {
                return message;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Installs the browser once a process, where it is missing.
fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED
        .get_or_init(|| testbed::install_missing(Selection::All).expect("a browser to test with"));
}

/// Messages end with a zero byte.
fn read_messages(output: impl std::io::Read + Send + 'static) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for message in BufReader::new(output).split(0) {
            let Ok(Ok(message)) = message.map(|bytes| serde_json::from_slice(&bytes)) else {
                return;
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}
