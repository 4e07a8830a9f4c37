//! What must be in no output of any command, in any format, and in no file that one writes: secrets of services, of the
//! configuration, of the log and of hooks.

use std::path::Path;

use pvcheck_sim::{Model, NetworkDraft, ServiceDraft};
use serde_json::json;

use crate::support::*;

/// In every planted text, so that one search finds them all.
const CANARY: &str = "pv-canary-7be2";

/// The CI host with a service that has a secret in every place in which operators put one.
fn planted() -> Model {
    let mut model = cc_ci();
    let internal = NetworkDraft::overlay("vault_internal").label("com.docker.stack.namespace", "vault");
    model.create_network(&internal.label("org.example.token", CANARY).json()).expect("fresh");
    model.advance(SETTLE);
    let app = ServiceDraft::new("vault_app").stack("vault").on("vault_internal").on("proxy");
    let mut app = app
        .label("traefik.http.middlewares.a.basicauth.users", &format!("admin:{CANARY}"))
        .label("traefik.http.routers.vault.rule", "Host(`vault.test`)")
        .label("token", CANARY)
        .json();
    let container = &mut app["TaskTemplate"]["ContainerSpec"];
    container["Env"] = json!([format!("DB_PASSWORD={CANARY}")]);
    container["Args"] = json!(["--token", CANARY]);
    container["Command"] = json!(["sh", "-c", format!("login {CANARY}")]);
    container["Labels"] = json!({"password": CANARY});
    container["Hosts"] = json!([format!("10.0.0.1 {CANARY}")]);
    app["TaskTemplate"]["LogDriver"] = json!({"Name": "gelf", "Options": {"token": CANARY}});
    model.create_service(app).expect("fresh");
    model.advance(SETTLE);
    for kind in ["secrets", "configs"] {
        let labels = json!({"com.docker.stack.namespace": "vault", "key": CANARY});
        let body = json!({"Name": format!("vault-{kind}"), "Labels": labels, "Data": CANARY}).to_string();
        assert_eq!(model.respond("POST", &format!("/{kind}/create"), body.as_bytes()).status, 201);
    }
    model.set_node_label("self", "password", CANARY).expect("there");
    model
}

/// That world, and a configuration with a secret in every place that it has for one.
fn rig() -> Rig {
    let rig = Rig::new(planted()).configured();
    rig.edit(
        "[tls]",
        &format!(
            "# {CANARY}\n[[renewal.before]]\ncommand = [\"sh\", \"-c\", \"echo TOKEN={CANARY}\"]\n\
             [guard]\npage = {{ command = [\"sh\", \"-c\", \"echo KEY={CANARY}; exit 1\"] }}\n\
             [window]\ncommands = [[\"sh\", \"-c\", \"echo PASSWORD={CANARY}; true\"]]\n[tls]"
        ),
    );
    rig.edit("dashboard.test/\"", &format!("dashboard.test/?token={CANARY}\""));
    rig.edit(
        "[canary]",
        "[route.request]\nheaders = { \"x-tenant\" = \"T\" }\nbearer = { file = \"token\" }\n\
         [[route]]\nname = \"down\"\nurl = \"http://down.test/\"\naddress = \"127.0.0.1:1\"\ndeadline_ms = 500\n\
         [route.request]\nbasic = { user = \"ci\", password = { env = \"PV_PASSWORD\" } }\n[canary]",
    );
    rig.edit("\"T\"", &format!("\"{CANARY}\""));
    rig.file("token", CANARY);
    rig.file("upgrade.md", &format!("API_TOKEN={CANARY} journalctl -u docker | grep x\n"));
    let log = std::fs::read_to_string(rig.path("engine.log")).expect("written at the start");
    let line = |text: &str| format!("time=\"2026-06-13T05:31:00.000000000Z\" level=error msg=\"{text}\"\n");
    let lines = [
        format!("login to https://ci:{CANARY}@registry.test/ failed"),
        format!("cannot join: token={CANARY}"),
        format!("could not find an available IP while allocating VIP, password: {CANARY}"),
    ];
    rig.file("engine.log", &lines.iter().fold(log, |log, text| log + &line(text)));
    rig
}

fn run(rig: &Rig, words: &[&str]) -> Done {
    let mut command = rig.command(words);
    command.env("PV_PASSWORD", CANARY);
    Done::of(command)
}

/// Every file below a folder but those that were planted.
fn written(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the test") {
        let path = entry.expect("listed").path();
        let name = path.display().to_string();
        if path.is_dir() {
            written(&path, into);
        } else if !["pvcheck.toml", "token", "engine.log", "upgrade.md"].iter().any(|own| name.ends_with(own))
        {
            let bytes = std::fs::read(&path).expect("readable");
            into.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}

#[test]
fn no_command_tells_a_secret_in_any_format() {
    let rig = rig();
    let m1 = ["gate", "run", "pvcheck.m1", "--probe"];
    let commands: [(&[&str], &[&str]); 23] = [
        (&["audit"], &["table", "json"]),
        (&["audit", "proxy", "--save", "look.json"], &["table"]),
        (&["why", "vault_app"], &["table", "json"]),
        (&["census", "proxy"], &["table", "json"]),
        (&["plan-subnet", "--prefix", "20"], &["table", "json"]),
        (&["resize", "proxy", "--to", "10.60.0.0/16"], &["table", "json", "markdown"]),
        (&["stack", "rm", "vault"], &["table", "json"]),
        (&["reclaim"], &["table", "json"]),
        (&["guard", "--state", "guard.json", "--apply"], &["table", "json"]),
        (&["guard", "--check", "upgrade.md"], &["table", "json"]),
        (&["sweep"], &["table", "json"]),
        (&["journal", "scan", "--file", "engine.log"], &["table", "json"]),
        (&["routes"], &["table", "json"]),
        (&["window"], &["table", "json"]),
        (&["gate", "list"], &["table", "json"]),
        (&m1, &["table", "json", "markdown", "junit", "github"]),
        (&["gate", "run", "pvcheck.m1", "--probe", "--out", "reports", "--bundle", "run.json"], &["table"]),
        (&["gate", "run", "--replay", "run.json"], &["table", "json", "markdown", "junit", "github"]),
        (&["gate", "diff", "run.json", "run.json"], &["table", "json", "markdown"]),
        (&["report", "run.json", "--write", "run.html"], &["table"]),
        (&["init", "--log", "engine.log"], &["table", "json"]),
        (&["doctor"], &["table", "json"]),
        (&["config", "check", "pvcheck.toml"], &["table", "json"]),
    ];
    let mut told = Vec::new();
    for (words, formats) in commands {
        for format in formats {
            let done = run(&rig, &[words, &["-o", format, "-vv"]].concat());
            assert_ne!(done.code, Some(2), "{words:?} {format} was refused: {}", done.stderr);
            assert!(!done.stdout.is_empty() || !done.stderr.is_empty(), "{words:?} {format} says nothing");
            told.push((format!("{} -o {format}", words.join(" ")), done.stdout + &done.stderr));
        }
    }
    let outputs = told.len();
    written(rig.dir.path(), &mut told);
    assert!(outputs + 6 <= told.len(), "a report in three files, a bundle, a page and a snapshot");
    for (what, text) in &told {
        assert!(!text.contains(CANARY), "{what} tells a secret: {text}");
    }
}
