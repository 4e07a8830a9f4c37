//! Sources: files that grow, are cut and are rotated; journalctl that works, hangs, fails and sees nothing.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the failure")]

use std::fs;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pvcheck_journal::{
    Catalogue, Incomplete, Journalctl, Limits, Mark, Note, OwnNoise, ReadFrom, Reading, Record, Scanner,
    Since, Source, SourceError, Window,
};
use tempfile::TempDir;

const VIP: &str = r#"level=error msg="Failed allocation for service svc4qm2v9k1t8r3w6y5z0a1b2" error="could not find an available IP while allocating VIP""#;

fn line(second: u32, rest: &str) -> String {
    format!("time=\"2026-06-13T05:00:{second:02}Z\" {rest}\n")
}

fn limits() -> Limits {
    Limits { deadline: Duration::from_secs(20), ..Limits::default() }
}

struct Records {
    records: Vec<Record>,
    reading: Reading,
}

struct Log {
    _dir: TempDir,
    path: PathBuf,
    source: Source,
}

impl Log {
    fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("docker.log");
        fs::write(&path, text).unwrap();
        Self { _dir: dir, source: Source::File(path.clone()), path }
    }

    fn append(&self, text: &str) {
        fs::OpenOptions::new().append(true).open(&self.path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    async fn mark(&self) -> Mark {
        self.source.mark(&limits()).await.unwrap()
    }

    async fn since(&self, mark: &Mark) -> Records {
        read(&self.source, &ReadFrom::Mark(mark.clone()), &limits()).await.unwrap()
    }
}

fn messages(records: &Records) -> Vec<&str> {
    records.records.iter().map(|record| record.message.as_str()).collect()
}

#[tokio::test]
async fn a_file_is_read_from_a_time_on() {
    let log = Log::new(&(line(1, "level=info msg=one") + &line(2, "level=info msg=two") + "torn\n\n"));
    let all = read(&log.source, &ReadFrom::Beginning, &limits()).await.unwrap();
    assert_eq!(messages(&all), ["one", "two", "torn"]);
    assert!(all.reading.incomplete.is_empty());
    let from = ReadFrom::Time("2026-06-13T05:00:02Z".parse().unwrap());
    let late = read(&log.source, &from, &limits()).await.unwrap();
    assert_eq!(messages(&late), ["two", "torn"], "a line without a time comes along");
}

#[tokio::test]
async fn after_a_mark_only_what_is_new_is_read() {
    let log = Log::new(&line(1, "level=info msg=one"));
    let mark = log.mark().await;
    assert!(log.since(&mark).await.records.is_empty());
    log.append(&line(2, "level=info msg=two"));
    let stored: Mark = serde_json::from_str(&serde_json::to_string(&mark).unwrap()).unwrap();
    let new = log.since(&stored).await;
    assert_eq!((messages(&new), new.reading.incomplete.len()), (vec!["two"], 0));
}

#[tokio::test]
async fn a_line_that_is_being_written_when_the_mark_is_set_is_new_afterwards() {
    let (begin, end) = VIP.split_at(40);
    let log = Log::new(&(line(1, "level=info msg=one") + begin));
    let mark = log.mark().await;
    log.append(&format!("{end}\n"));
    let new = log.since(&mark).await;
    assert_eq!(new.records.len(), 1);
    assert_eq!(new.records[0].raw, VIP);
}

#[tokio::test]
async fn the_mark_of_an_empty_file_and_of_one_endless_line_is_a_mark() {
    let log = Log::new("");
    let mark = log.mark().await;
    log.append(&"x".repeat(200_000));
    assert_eq!(log.since(&mark).await.records.len(), 1);
    let mark = log.mark().await;
    log.append("\nlevel=info msg=next\n");
    assert_eq!(messages(&log.since(&mark).await), ["next"]);
}

#[tokio::test]
async fn a_truncated_file_is_read_from_its_beginning_and_said() {
    let log = Log::new(&line(1, "level=info msg=one").repeat(20));
    let mark = log.mark().await;
    fs::write(&log.path, line(2, "level=info msg=two")).unwrap();
    let new = log.since(&mark).await;
    assert_eq!(messages(&new), ["two"]);
    assert!(
        matches!(new.reading.incomplete[..], [Incomplete::Truncated { mark_bytes, size_bytes }] if size_bytes < mark_bytes)
    );
}

#[tokio::test]
async fn a_file_that_is_cut_while_it_is_read_is_not_whole() {
    // More than is read ahead.
    let log = Log::new(&line(1, &format!("level=info msg={}", "x".repeat(50_000))).repeat(200));
    let size = fs::metadata(&log.path).unwrap().len();
    let path = log.path.clone();
    let cut = move |_| {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        ControlFlow::Continue(())
    };
    let reading = log.source.each(&ReadFrom::Beginning, &limits(), cut).await.unwrap();
    let cut = Incomplete::Truncated { mark_bytes: size, size_bytes: reading.bytes };
    assert_eq!(reading.incomplete, [cut]);
    assert!(reading.bytes < size);
}

#[tokio::test]
async fn a_file_that_was_cut_and_has_grown_again_is_noticed() {
    let log = Log::new(&line(1, "level=info msg=one"));
    let mark = log.mark().await;
    fs::write(&log.path, line(2, "level=info msg=two").repeat(5)).unwrap();
    let new = log.since(&mark).await;
    assert_eq!(new.records.len(), 5);
    assert!(matches!(new.reading.incomplete[..], [Incomplete::Truncated { .. }]));
}

#[tokio::test]
async fn a_rotated_file_is_read_from_its_beginning_and_said() {
    let log = Log::new(&line(1, "level=info msg=one"));
    let mark = log.mark().await;
    log.append(&line(2, "level=info msg=lost"));
    fs::rename(&log.path, log.path.with_extension("log.1")).unwrap();
    fs::write(&log.path, line(3, "level=info msg=three module=node")).unwrap();
    let new = log.since(&mark).await;
    assert_eq!(messages(&new), ["three"]);
    assert_eq!(new.reading.incomplete, [Incomplete::Rotated]);
    let scanner = Scanner::new(Catalogue::builtin(), Window::OPEN);
    let scan = log.source.scan(&ReadFrom::Mark(mark), &limits(), scanner).await.unwrap();
    assert_eq!((scan.complete, scan.incomplete), (false, vec![Incomplete::Rotated]));
}

#[tokio::test]
async fn a_mark_that_lies_does_no_harm() {
    let log = Log::new(&line(1, "level=info msg=one"));
    let Mark::Offset { inode, device, .. } = log.mark().await else { panic!("a file's mark is an offset") };
    let mark = Mark::Offset { offset_bytes: 5, inode, device, tail_bytes: u64::MAX, tail_hash: 0 };
    assert!(matches!(log.since(&mark).await.reading.incomplete[..], [Incomplete::Truncated { .. }]));
    let foreign = Mark::Cursor { cursor: "s=1".into() };
    let error = read(&log.source, &ReadFrom::Mark(foreign), &limits()).await.err().unwrap();
    assert!(matches!(error, SourceError::WrongMark { .. }));
}

#[tokio::test]
async fn what_is_over_the_limits_is_left_and_said() {
    let log = Log::new(&line(1, "level=info msg=one").repeat(10));
    let enough = Incomplete::Failed { error: "three are enough".into() };
    let mut seen = 0;
    let stop_at_three = |_| {
        seen += 1;
        if seen < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(enough.clone()) }
    };
    let reading = log.source.each(&ReadFrom::Beginning, &limits(), stop_at_three).await.unwrap();
    assert_eq!((seen, reading.incomplete), (3, vec![enough]));
    let small = Limits { max_bytes: 10, ..limits() };
    let records = read(&log.source, &ReadFrom::Beginning, &small).await.unwrap();
    assert_eq!(records.reading.incomplete, [Incomplete::TooLarge { limit_bytes: 10 }]);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_one_line_with_the_mend() {
    let dir = TempDir::new().unwrap();
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (path, why) in [
        (dir.path().join("none"), "no such file"),
        (dir.path().to_owned(), "it is a directory"),
        (pipe, "it is not a regular file"),
    ] {
        for text in [
            read(&Source::File(path.clone()), &ReadFrom::Beginning, &limits())
                .await
                .err()
                .unwrap()
                .to_string(),
            Source::JsonFile(path.clone()).mark(&limits()).await.err().unwrap().to_string(),
        ] {
            let start = format!("cannot read the engine log {}: {why}", path.display());
            assert!(text.starts_with(&start) && text.contains("[journal] file"), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}

#[tokio::test]
async fn saved_entries_are_read_with_their_cursors() {
    let log = Log::new("");
    let entry =
        serde_json::json!({ "__CURSOR": "s=1", "__REALTIME_TIMESTAMP": "1781329080123456", "MESSAGE": VIP });
    fs::write(&log.path, format!("{entry}\n-- No entries --\nbroken\n")).unwrap();
    let records =
        read(&Source::JsonFile(log.path.clone()), &ReadFrom::Beginning, &limits()).await.unwrap().records;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].cursor.as_deref(), Some("s=1"));
    let scan = pvcheck_journal::scan(&records, Window::OPEN, Catalogue::builtin(), &OwnNoise::none());
    assert_eq!((scan.exhaustion_count(), scan.notes), (1, vec![Note::Unparsed { count: 1 }]));
}

#[tokio::test]
async fn a_scan_of_a_file_names_it_and_finds_its_start() {
    let text = line(1, VIP) + &line(2, "level=info msg=\"Starting up\"") + &line(3, VIP);
    let log = Log::new(&text);
    let scanner = Scanner::since(Catalogue::builtin(), Since::EngineStart, None);
    let scan = log.source.scan(&ReadFrom::Beginning, &limits(), scanner).await.unwrap();
    assert_eq!((scan.exhaustion_count(), scan.start_found, scan.complete), (1, Some(true), true));
    assert_eq!(scan.source, format!("file {}", log.path.display()));
}

/// A directory with a `journalctl` that runs this shell script; `"$@"` is what it was called with.
struct Fake {
    dir: TempDir,
}

impl Fake {
    fn new(script: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("journalctl");
        fs::write(
            &path,
            format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > {}/args\n{script}\n", dir.path().display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    fn source(&self) -> Source {
        Source::Journalctl(Journalctl::unit("docker").program(self.dir.path().join("journalctl")))
    }

    fn args(&self) -> String {
        fs::read_to_string(self.dir.path().join("args")).unwrap()
    }
}

/// A shell command that prints an entry.
fn print(cursor: u32, message: &str) -> String {
    let entry = serde_json::json!({
        "__CURSOR": format!("c{cursor}"), "__REALTIME_TIMESTAMP": "1781329080123456", "SYSLOG_IDENTIFIER": "dockerd",
        "MESSAGE": message,
    });
    format!("cat <<'END'\n{entry}\nEND\n")
}

/// An executable that was just written may still be open for writing in a child that another test's thread is forking, and
/// then cannot be run ("Text file busy"). That passes by itself.
async fn read(source: &Source, from: &ReadFrom, limits: &Limits) -> Result<Records, SourceError> {
    loop {
        let mut records = Vec::new();
        let each = |record| {
            records.push(record);
            ControlFlow::Continue(())
        };
        match source.each(from, limits, each).await {
            Err(SourceError::Program { source, .. })
                if source.kind() == std::io::ErrorKind::ExecutableFileBusy =>
            {
                tokio::task::yield_now().await;
            }
            Err(error) => return Err(error),
            Ok(reading) => return Ok(Records { records, reading }),
        }
    }
}

#[tokio::test]
async fn journalctl_is_asked_for_the_unit_and_the_time() {
    let fake = Fake::new(&print(1, VIP));
    let from = ReadFrom::Time("2026-06-13T05:38:00.1Z".parse().unwrap());
    let records = read(&fake.source(), &from, &limits()).await.unwrap();
    assert_eq!(records.records[0].raw, VIP);
    assert_eq!(records.reading.source, "journal of unit docker");
    let args = fake.args();
    for arg in ["--unit=docker", "--output=json", "--all", "--no-pager", "--since=@1781329080"] {
        assert!(args.lines().any(|line| line == arg), "{arg} in {args}");
    }
}

#[tokio::test]
async fn journalctl_that_hangs_is_ended_at_the_deadline_and_what_it_said_is_kept() {
    let fake =
        Fake::new(&format!("{}echo $$ > {}/pid\nexec sleep 600", print(1, VIP), "\"$(dirname \"$0\")\""));
    let began = Instant::now();
    let limits = Limits { deadline: Duration::from_secs(4), ..limits() };
    let records = read(&fake.source(), &ReadFrom::Beginning, &limits).await.unwrap();
    assert!(began.elapsed() < Duration::from_mins(1));
    assert_eq!(records.records.len(), 1);
    assert!(matches!(records.reading.incomplete[..], [Incomplete::Deadline { .. }]));
    let pid = fs::read_to_string(fake.dir.path().join("pid")).unwrap();
    let proc = PathBuf::from(format!("/proc/{}/cmdline", pid.trim()));
    tokio::time::timeout(Duration::from_secs(20), gone(&proc)).await.expect("it was killed");
}

/// Waits until the process is gone, or only waits for its parent (its command line is empty then).
async fn gone(cmdline: &Path) {
    while fs::read(cmdline).is_ok_and(|line| !line.is_empty()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn journalctl_that_never_stops_printing_is_ended_at_the_limit() {
    let fake = Fake::new(&format!("while :; do\n{}done", print(1, VIP)));
    let limits = Limits { max_bytes: 100_000, ..limits() };
    let records = read(&fake.source(), &ReadFrom::Beginning, &limits).await.unwrap();
    assert_eq!(records.reading.incomplete, [Incomplete::TooLarge { limit_bytes: 100_000 }]);
}

#[tokio::test]
async fn much_on_stderr_stops_nothing() {
    let fake = Fake::new(&format!("head -c 3000000 /dev/zero >&2\n{}", print(1, VIP)));
    let records = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap();
    assert_eq!((records.records.len(), records.reading.incomplete.len()), (1, 0));
}

#[tokio::test]
async fn a_failing_journalctl_is_an_error_and_never_an_empty_log() {
    let fake = Fake::new("echo 'Failed to open password=canary' >&2\nexit 1");
    let error = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.err().unwrap().to_string();
    assert!(error.ends_with("failed (exit status: 1): Failed to open password=***"), "{error}");
    let hint = "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2";
    let error =
        read(&Fake::new(hint).source(), &ReadFrom::Beginning, &limits()).await.err().unwrap().to_string();
    assert_eq!(
        error,
        "cannot read the journal of unit docker: permission denied; run as root or a member of systemd-journal, or name a log with [journal] file"
    );
    let source = Source::Journalctl(Journalctl::unit("docker").program("/nonexistent/journalctl"));
    let error = read(&source, &ReadFrom::Beginning, &limits()).await.err().unwrap().to_string();
    assert!(error.starts_with("cannot run /nonexistent/journalctl; install"), "{error}");
}

#[tokio::test]
async fn a_journalctl_that_fails_late_or_hides_some_makes_it_incomplete() {
    let fake = Fake::new(&format!("{}echo broken >&2\nexit 1", print(1, VIP)));
    let reading = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap().reading;
    assert_eq!(reading.incomplete, [Incomplete::Failed { error: "broken".into() }]);
    let fake = Fake::new(&format!("{}echo 'some insufficient permissions' >&2", print(1, VIP)));
    let reading = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap().reading;
    assert_eq!(reading.incomplete, [Incomplete::NotAllowed]);
    let left_out = "Journal file /var/log/journal/x/system.journal is truncated, ignoring file.";
    let fake = Fake::new(&format!("{}echo '{left_out}' >&2", print(1, VIP)));
    let reading = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap().reading;
    assert_eq!(reading.incomplete, [Incomplete::Failed { error: left_out.into() }]);
}

#[tokio::test]
async fn an_empty_journal_is_empty_and_said() {
    let fake = Fake::new("echo '-- No entries --'");
    let records = read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap();
    assert_eq!((records.records.len(), records.reading.records), (0, 0));
    assert_eq!(fake.source().mark(&limits()).await.unwrap(), Mark::Empty);
    let scanner = Scanner::new(Catalogue::builtin(), Window::OPEN);
    let scan = fake.source().scan(&ReadFrom::Beginning, &limits(), scanner).await.unwrap();
    assert_eq!(scan.notes, [Note::NothingRead]);
}

#[tokio::test]
async fn a_journal_is_read_on_from_its_mark() {
    let fake = Fake::new(&(print(7, "level=info msg=marked") + &print(8, "level=info msg=new")));
    read(&fake.source(), &ReadFrom::Beginning, &limits()).await.unwrap();
    let mark = fake.source().mark(&limits()).await.unwrap();
    assert!(fake.args().lines().any(|arg| arg == "--lines=1"));
    assert_eq!(mark, Mark::Cursor { cursor: "c8".into() }, "the last one that it printed");
    let mark = Mark::Cursor { cursor: "c7".into() };
    let new = read(&fake.source(), &ReadFrom::Mark(mark), &limits()).await.unwrap();
    assert!(fake.args().lines().any(|arg| arg == "--cursor=c7"));
    assert_eq!((messages(&new), new.reading.records), (vec!["new"], 1));
    assert!(new.reading.incomplete.is_empty());
}

#[tokio::test]
async fn a_mark_that_the_journal_no_longer_has_is_noticed() {
    let mark = ReadFrom::Mark(Mark::Cursor { cursor: "c7".into() });
    let fake = Fake::new(&print(9, "level=info msg=later"));
    let new = read(&fake.source(), &mark, &limits()).await.unwrap();
    assert_eq!((messages(&new), new.reading.incomplete.clone()), (vec!["later"], vec![Incomplete::MarkGone]));
    let new = read(&Fake::new("true").source(), &mark, &limits()).await.unwrap();
    assert_eq!((new.records.len(), new.reading.incomplete), (0, vec![Incomplete::MarkGone]));
}

#[tokio::test]
async fn a_journal_reaches_back_iff_some_entry_of_any_unit_is_that_old() {
    // The engine's own entries of the window are the same; the journal's first entry is of 2026-06-13T05:38:00.
    let unit = print(2, "time=\"2026-06-13T06:00:00Z\" level=info msg=\"Starting up\"");
    let fake =
        Fake::new(&format!("case \"$*\" in *--unit=*)\n{unit};; *)\n{};; esac", print(1, "of another unit")));
    let scan = |at: &'static str| {
        let source = fake.source();
        async move {
            let at: jiff::Timestamp = at.parse().unwrap();
            // Until the program can be run; see `read`.
            read(&source, &ReadFrom::Beginning, &limits()).await.unwrap();
            let scanner = Scanner::since(Catalogue::builtin(), Since::At(at), None);
            source.scan(&ReadFrom::Time(at), &limits(), scanner).await.unwrap()
        }
    };
    assert_eq!(scan("2026-06-13T05:50:00Z").await.incomplete, []);
    let asked = "2026-06-13T05:30:00Z".parse().unwrap();
    let first = Some("2026-06-13T06:00:00Z".parse().unwrap());
    assert_eq!(scan("2026-06-13T05:30:00Z").await.incomplete, [Incomplete::NotThatFarBack { asked, first }]);
}
