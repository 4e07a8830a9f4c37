//! The docker client works against the embedded engine as against a real one: one flow, command by command, against
//! bookworm's engine in a lab and against `pvcheck embedded up`. What they print and their exit codes are compared, after
//! what differs from run to run (ids, times, addresses of hosts) has been replaced. What differs for good is a list with
//! reasons, in [`differences::DIFFERENCES`] and in `docs/embedded.md`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, Suite, World};
use pvcheck_tests::{Outcome, lab, pvcheck};
use rustix::process::{Pid, Signal, kill_process};

use crate::differences::compared;

#[path = "docker_client/differences.rs"]
mod differences;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long a state is waited for: a container starts in a second, and in many on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at a state that is waited for.
const PAUSE: Duration = Duration::from_millis(200);

#[test]
fn the_embedded_engine_answers_the_docker_client_as_bookworms_does() -> Outcome {
    let test = "docker_client::the_embedded_engine_answers_the_docker_client_as_bookworms_does";
    let Some(lab) = lab(test, Some(Suite::Bookworm), World::Empty) else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let embedded = Embedded::up(folder.path())?;
    let real = Client { lab: &lab, host: None, node: format!("{}-m0", lab.info().name) };
    let model = Client { lab: &lab, host: Some(embedded.host()), node: "node1".to_owned() };
    let flow = flow().map_err(plain_error)?;
    let (real_said, model_said) = std::thread::scope(|scope| {
        let real = scope.spawn(|| real.follow(&flow));
        let model = model.follow(&flow);
        (real.join(), model)
    });
    let real_said = real_said.map_err(|_| "the real engine's thread panicked")?.map_err(plain_error)?;
    let model_said = model_said.map_err(plain_error)?;
    let mut wrong = Vec::new();
    for (real, model) in real_said.iter().zip(&model_said) {
        let (expected, got) = (compared(&real.words, &real.printed), compared(&model.words, &model.printed));
        if expected != got {
            wrong.push(format!("docker {}\n{}", real.words, lines_of_one(&expected, &got)));
        }
    }
    let same = real_said.len() - wrong.len();
    writeln!(std::io::stdout(), "{}{test}: {same} of {} commands agree", wrong.concat(), real_said.len())?;
    embedded.end()?;
    lab.down()?;
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} commands do not agree", wrong.len()).into()) }
}

/// The lines that only one of two outputs has, or both where it is their order that differs.
fn lines_of_one(real: &str, embedded: &str) -> String {
    let without = |of: &str, other: &str, whose: &str| -> String {
        let mut rest: Vec<&str> = other.lines().collect();
        let mut only = String::new();
        for line in of.lines() {
            match rest.iter().position(|other| *other == line) {
                Some(at) => drop(rest.swap_remove(at)),
                None => only.extend([whose, ": ", line, "\n"]),
            }
        }
        only
    };
    let only = without(real, embedded, "real") + &without(embedded, real, "embedded");
    if only.is_empty() {
        return format!("in another order; real:\n{real}\nembedded:\n{embedded}\n");
    }
    only
}

#[test]
fn only_lines_that_differ_are_shown() {
    assert_eq!(lines_of_one("a\nb\nb", "b\na\nc"), "real: b\nembedded: c\n");
    assert_eq!(lines_of_one("a\nb", "b\na"), "in another order; real:\na\nb\nembedded:\nb\na\n");
}

fn plain_error(error: Box<dyn std::error::Error + Send + Sync>) -> Box<dyn std::error::Error> {
    error
}

/// A line of the flow.
#[derive(Debug)]
struct Step {
    /// The client's words, without `docker`.
    words: String,
    /// What the words are repeated for; `None` if they run once and are compared.
    wait: Option<Wait>,
}

/// What has to be printed, or no longer to be printed, before the flow goes on.
#[derive(Debug)]
struct Wait {
    text: String,
    printed: bool,
}

fn flow() -> Result<Vec<Step>> {
    let text = std::fs::read_to_string(files().join("flow.txt"))?;
    let step = |line: &str| {
        let (words, wait) = [("until ", true), ("while ", false)]
            .into_iter()
            .find_map(|(word, printed)| {
                let (text, words) = line.strip_prefix(word)?.split_once(": ")?;
                Some((words, Some(Wait { text: text.to_owned(), printed })))
            })
            .unwrap_or((line, None));
        Step { words: words.to_owned(), wait }
    };
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(step).collect())
}

/// The folder that the client runs in: the files of stacks, configs and secrets are there.
fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker_client")
}

/// What a command of the flow printed, with its exit code.
#[derive(Debug)]
struct Said {
    words: String,
    printed: String,
}

/// The docker client of the lab, against the lab's engine or another.
struct Client<'a> {
    lab: &'a Lab,
    host: Option<String>,
    /// The engine's node, for which the flow has the word `NODE`.
    node: String,
}

impl Client<'_> {
    fn follow(&self, flow: &[Step]) -> Result<Vec<Said>> {
        let mut said = Vec::new();
        for step in flow {
            match &step.wait {
                Some(wait) => self.wait(&step.words, wait)?,
                None => said.push(Said { words: step.words.clone(), printed: self.run(&step.words)? }),
            }
        }
        Ok(said)
    }

    fn wait(&self, words: &str, wait: &Wait) -> Result<()> {
        let since = Instant::now();
        loop {
            let printed = self.run(words)?;
            if printed.contains(&wait.text) == wait.printed {
                return Ok(());
            }
            if PATIENCE < since.elapsed() {
                let (how, text, node) = (if wait.printed { "no" } else { "still" }, &wait.text, &self.node);
                return Err(
                    format!("{how} `{text}` after {PATIENCE:?} from {words} on {node}: {printed}").into()
                );
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn run(&self, words: &str) -> Result<String> {
        let mut command = self.lab.command("docker");
        command.current_dir(files());
        command.args(words.split(' ').map(|word| if word == "NODE" { &self.node } else { word }));
        if let Some(host) = &self.host {
            command.env("DOCKER_HOST", host);
        }
        let output = command.output()?;
        let (stdout, stderr) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
        Ok(format!("exit code {code}\n{stdout}\n{stderr}").replace(&self.node, "NODE"))
    }
}

/// `pvcheck embedded up`; ended when it is dropped.
struct Embedded {
    process: Child,
    socket: PathBuf,
}

impl Embedded {
    /// Starts it in a folder, and waits for the line that says that it listens.
    fn up(folder: &Path) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let socket = folder.join("swarm.sock");
        let mut command = Command::new(pvcheck()?);
        command.args(["embedded", "up", "--world", "empty", "--version", "20.10", "--socket"]).arg(&socket);
        let process = command.stdout(Stdio::piped()).spawn()?;
        let mut embedded = Self { process, socket };
        let stdout = embedded.process.stdout.take().ok_or("it was started with a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if !line.contains(&format!("DOCKER_HOST={} docker service ls", embedded.host())) {
            return Err(format!("the line that says how to use it: `{line}`").into());
        }
        Ok(embedded)
    }

    fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Ends it as a user would: with exit code 0, and without its socket.
    fn end(mut self) -> Outcome {
        kill_process(Pid::from_child(&self.process), Signal::TERM)?;
        let status = self.process.wait()?;
        if status.code() == Some(0) && !self.socket.exists() {
            Ok(())
        } else {
            Err(format!("{status}; its socket is there: {}", self.socket.exists()).into())
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
