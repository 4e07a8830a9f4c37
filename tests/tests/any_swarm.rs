//! A Swarm that pvcheck knows nothing of, made by hand with two managers: from `doctor` to a page, as an operator would go, and
//! what `init` wrote fails once anything that it has is not so any more.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use pvcheck_lab::{Lab, LabSpec};
use pvcheck_tests::gates::{Verdicts, until, verdict, verdicts};
use pvcheck_tests::stacks::{IMAGE, STOPS_AT_ONCE, STOPS_IN_2_S, Shape, deploy, stack_rm};
use pvcheck_tests::{Outcome, docker, lab_of, pvcheck};
use serde_json::Value;

/// Serves one page, and `/health`.
const SHOP: &str = "mkdir -p /www && echo 'a shop' > /www/index.html && echo fine > /www/health && \
    trap 'exit 0' TERM; httpd -f -p 80 -h /www & wait";

/// What is broken, how the client breaks and mends it, and the checks that change.
type Row<'a> = (&'a str, &'static str, &'static str, Vec<(&'a str, &'a str)>);
type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

struct Shop {
    lab: Lab,
    folder: tempfile::TempDir,
    /// What was run, and how it ended.
    transcript: String,
    since: Instant,
}

impl Shop {
    fn open(lab: Lab) -> Fallible<Self> {
        for (name, subnet) in [("shop", "10.50.0.0/26"), ("data", "10.51.0.0/27"), ("spare", "10.52.0.0/27")]
        {
            docker(&lab, &["network", "create", "-d", "overlay", "--attachable", "--subnet", subnet, name])?;
        }
        let create = ["service", "create", "-q", "--no-resolve-image", "--update-monitor", "100ms"];
        let run = |options: &str, script: &str| {
            let options: Vec<&str> = options.split(' ').collect();
            docker(&lab, &[&create[..], &options, &[IMAGE, "sh", "-c", script]].concat())
        };
        // Without IPVS the routing mesh carries nothing here, so each node publishes for itself.
        run(
            "--name web --network shop --network data --mode global --publish mode=host,published=8080,target=80 \
             --label caddy=http://shop.test --label caddy.reverse_proxy={{upstreams}}",
            SHOP,
        )?;
        run("--name db --network data --replicas 1", STOPS_AT_ONCE)?;
        run("--name agent --network shop --replicas 3", STOPS_AT_ONCE)?;
        Ok(Self { lab, folder: tempfile::tempdir()?, transcript: String::new(), since: Instant::now() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Fallible<Command> {
        let mut command = self.lab.command(pvcheck()?);
        command.current_dir(self.folder.path());
        Ok(command)
    }

    /// Runs the command in the operator's folder; its exit code and what it printed.
    fn run(&mut self, words: &[&str]) -> Fallible<(i32, String)> {
        let output = self.command()?.args(words).arg("--quiet").output()?;
        let code = output.status.code().ok_or("ended by a signal")?;
        let line = format!("s  $ pvcheck {} (exit code {code})\n", words.join(" "));
        // What is run until something has changed is told once.
        if !self.transcript.ends_with(&line) {
            write!(self.transcript, "  {:4} {line}", self.since.elapsed().as_secs())?;
        }
        let printed = [output.stdout, output.stderr].concat();
        Ok((code, String::from_utf8(printed)?))
    }

    /// As [`run`](Self::run), of a command that prints JSON.
    fn json(&mut self, words: &[&str]) -> Fallible<(i32, Value)> {
        let (code, printed) = self.run(&[words, &["-o", "json"]].concat())?;
        let document = serde_json::from_str(&printed).map_err(|e| format!("{words:?}: {e}: {printed}"))?;
        Ok((code, document))
    }

    /// Runs the gate until exactly these checks are no longer as they were, each with its verdict.
    fn changes(&mut self, what: &str, healthy: &Verdicts, expected: &[(&str, &str)]) -> Outcome {
        let config = self.path("pvcheck.toml").display().to_string();
        let m1 = ["gate", "run", "pvcheck.m1", "--probe", "--config", &config, "-o", "json"];
        let wanted = |id: &str, was: &str| {
            let changed = expected.iter().find(|(changed, _)| *changed == id);
            changed.map_or_else(|| was.to_owned(), |(_, verdict)| (*verdict).to_owned())
        };
        let as_wanted =
            |seen: &Verdicts| healthy.iter().all(|(id, was)| seen.get(id) == Some(&wanted(id, was)));
        until(&self.lab, &m1, as_wanted).map_err(|e| format!("{what}: {e}"))?;
        let told: Vec<String> = expected.iter().map(|(id, verdict)| format!("{id} {verdict}")).collect();
        let seconds = self.since.elapsed().as_secs();
        writeln!(self.transcript, "  {seconds:4} s  {what}: {}", told.join(", "))?;
        Ok(())
    }
}

#[test]
fn two_managers_from_doctor_to_a_page() -> Outcome {
    let spec = LabSpec { managers: 2, ..LabSpec::default() };
    let Some(lab) = lab_of("any_swarm", spec) else { return Ok(()) };
    let mut shop = Shop::open(lab)?;
    let healthy = first_pass(&mut shop)?;
    each_thing_broken(&mut shop, &healthy)?;
    without_a_quorum(&mut shop)?;
    // Past the capture of the test's own output: the transcript is a result.
    write!(std::io::stdout(), "{}", shop.transcript)?;
    shop.lab.down()?;
    Ok(())
}

/// What an operator does on the first day; the verdicts of the healthy Swarm.
fn first_pass(shop: &mut Shop) -> Fallible<Verdicts> {
    let (code, doctor) = shop.json(&["doctor"])?;
    let health = |id: &str| {
        let all = doctor["examined"].as_array().into_iter().flatten();
        all.filter(|one| one["id"] == id)
            .map(|one| one["health"].as_str().unwrap_or_default())
            .collect::<String>()
    };
    for id in ["socket", "api", "role", "versions", "nodes", "clock", "namespace", "lock", "leftovers"] {
        assert_eq!(health(id), "OK", "{id}: {doctor:#}");
    }
    // No journal was named, and this machine's has nothing of the lab's engines.
    assert!(health("log") != "OK" && code != 0, "{doctor:#}");

    let info = shop.lab.info();
    let log = info.log[0].display().to_string();
    let routers: Vec<String> = info.addresses.iter().map(|node| format!("{node}:8080")).collect();
    let (code, printed) = shop.run(&[
        "init",
        "--ask",
        "--write",
        "pvcheck.toml",
        "--log",
        &log,
        "--address",
        &routers[0],
        "--address",
        &routers[1],
    ])?;
    assert_eq!(code, 0, "{printed}");
    let text = std::fs::read_to_string(shop.path("pvcheck.toml"))?;
    let (code, checked) = shop.json(&["config", "check", "pvcheck.toml"])?;
    assert_eq!((code, &checked["right"]), (0, &Value::Bool(true)), "{checked:#}");
    let names = |key: &str| -> Vec<&str> {
        checked[key].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
    };
    let mut overlays = names("overlays");
    overlays.sort_unstable();
    assert_eq!(overlays, ["data", "shop", "spare"]);
    assert_eq!((names("services"), names("routes").len()), (vec!["agent", "db", "web"], 1), "{text}");

    let (code, doctor) = shop.json(&["doctor"])?;
    assert_eq!((code, &doctor["health"]), (0, &"OK".into()), "{doctor:#}");
    let (code, report) = shop.json(&["gate", "run", "pvcheck.m1", "--probe", "--bundle", "run.json"])?;
    assert_eq!((code, verdict(&report)), (0, "PASS"), "{report:#}");
    let (code, printed) = shop.run(&["gate", "run", "--replay", "run.json", "-o", "json"])?;
    assert_eq!(
        (code, serde_json::from_str::<Value>(&printed)?["checks"].clone()),
        (0, report["checks"].clone())
    );
    page(shop)?;
    Ok(verdicts(&report))
}

/// The page of the run: a map of each overlay, and nothing that would be loaded.
fn page(shop: &mut Shop) -> Outcome {
    let (code, printed) = shop.run(&["report", "run.json", "--write", "run.html"])?;
    assert_eq!(code, 0, "{printed}");
    let page = std::fs::read_to_string(shop.path("run.html"))?;
    for network in ["shop", "data", "spare"] {
        assert!(page.contains(&format!("Who holds which address of {network}")), "{network}");
    }
    assert!(!page.contains("embedded engine"), "a real engine was asked");
    for outside in [" src=", "<link", "@import", "url(http"] {
        assert!(!page.contains(outside), "{outside}");
    }
    Ok(())
}

/// One thing after the other is not as `init` saw it, and is so again.
fn each_thing_broken(shop: &mut Shop, healthy: &Verdicts) -> Outcome {
    let route = healthy.keys().find(|id| id.starts_with("route.")).ok_or("no route")?.clone();
    let elsewhere = "sh -c \"trap 'exit 0' TERM; httpd -f -p 81 & wait\"";
    let words = |text: &'static str| -> Vec<&str> {
        text.split(' ').map(|word| if word == "LISTENS" { elsewhere } else { word }).collect()
    };
    let rows: [Row<'_>; 5] = [
        ("a service at 0", "service scale -d db=0", "service scale -d db=1", vec![("service.db", "FAIL")]),
        (
            "a global service kept off every node",
            "service update -q -d --constraint-add node.labels.no==1 web",
            "service update -q -d --constraint-rm node.labels.no==1 web",
            vec![("service.web", "FAIL"), (&route, "FAIL")],
        ),
        (
            "what a route leads to no longer listens",
            "service update -q -d --args LISTENS web",
            "service rollback -q -d web",
            vec![(&route, "FAIL")],
        ),
        (
            "a service without its overlay",
            "service update -q -d --network-rm data db",
            "service update -q -d --network-add data db",
            vec![("service.db", "FAIL")],
        ),
        (
            "little room left",
            "service scale -d db=9",
            "service scale -d db=1",
            vec![("overlay.headroom.data", "FAIL")],
        ),
    ];
    for (what, breaks, mends, expected) in rows {
        client(&shop.lab, &words(breaks))?;
        shop.changes(what, healthy, &expected)?;
        // That it helps the next row sees: it wants every other verdict to be as at first.
        client(&shop.lab, &words(mends))?;
    }
    another_subnet(shop, healthy)?;
    a_leak(shop, healthy)
}

/// Runs the docker client, and again where the Swarm itself has changed the service since the client read it.
fn client(lab: &Lab, words: &[&str]) -> Outcome {
    let mut tries = 0;
    while let Err(error) = docker(lab, words) {
        tries += 1;
        if 20 < tries || !error.to_string().contains("update out of sequence") {
            return Err(error);
        }
    }
    Ok(())
}

fn another_subnet(shop: &mut Shop, healthy: &Verdicts) -> Outcome {
    docker(&shop.lab, &["network", "rm", "spare"])?;
    docker(&shop.lab, &["network", "create", "-d", "overlay", "--subnet", "10.53.0.0/27", "spare"])?;
    shop.changes("an overlay with another subnet", healthy, &[("overlay.subnet.spare", "FAIL")])
}

fn a_leak(shop: &mut Shop, healthy: &Verdicts) -> Outcome {
    let lost = ["lost".to_owned()];
    deploy(&shop.lab, &lost, Shape { shared: "shop", replicas: 2, script: STOPS_IN_2_S })?;
    stack_rm(&shop.lab, &lost)?;
    let expected = [("overlay.subnet.spare", "FAIL"), ("overlay.leaked.shop", "FAIL")];
    shop.changes("a stack removed as docker does, and its addresses lost", healthy, &expected)?;
    // Last: what the engine has logged stays in its log.
    waiting(shop, healthy)
}

fn waiting(shop: &mut Shop, healthy: &Verdicts) -> Outcome {
    docker(&shop.lab, &["network", "create", "-d", "overlay", "--subnet", "10.91.0.0/29", "full"])?;
    let create = ["service", "create", "-q", "--detach", "--network", "full", "--name"];
    let rest: [&[&str]; 2] =
        [&["filler", "--constraint", "node.labels.no==1", "--replicas", "4", IMAGE], &["late", IMAGE]];
    for service in rest {
        docker(&shop.lab, &[&create[..], service].concat())?;
    }
    let mut expected = vec![("swarm.waiting", "FAIL"), ("journal.exhaustion", "FAIL")];
    expected.extend([("overlay.subnet.spare", "FAIL"), ("services.unlisted", "FAIL")]);
    // While a service waits nothing is counted.
    let counted =
        healthy.keys().filter(|id| id.starts_with("overlay.leaked") || id.starts_with("overlay.headroom"));
    expected.extend(counted.map(|id| (id.as_str(), "UNKNOWN")));
    shop.changes("a service waits for an address", healthy, &expected)
}

/// Of two managers one is gone. For some seconds the other still answers as if nothing had happened, with a node that it says is
/// ready; then it steps down. Neither is a pass.
fn without_a_quorum(shop: &mut Shop) -> Outcome {
    shop.lab.stop_engine(1)?;
    let since = Instant::now();
    let (mut stale, mut leaderless) = (false, false);
    while !leaderless {
        let (code, printed) = shop.run(&["gate", "run", "pvcheck.m1", "--probe", "-o", "json"])?;
        leaderless = printed.contains("does not have a leader");
        // What needs no Swarm: a route that is asked, and the log, which says that a network ran out of addresses.
        let seen =
            serde_json::from_str::<Value>(&printed).map(|report| verdicts(&report)).unwrap_or_default();
        let mut of_the_swarm =
            seen.iter().filter(|(id, _)| !id.starts_with("route.") && *id != "journal.exhaustion");
        let nothing_is_known = of_the_swarm.all(|(_, verdict)| verdict == "UNKNOWN");
        assert!(matches!(code, 1 | 3) && (nothing_is_known || !stale), "{code}: {printed}");
        // Within this round it may have been noticed after the Swarm was read.
        stale |= printed.contains("has no quorum");
        assert!(since.elapsed() < Duration::from_mins(2), "{printed}");
    }
    assert!(stale, "the leader was never seen without a quorum");
    let (code, doctor) = shop.json(&["doctor"])?;
    assert_eq!(code, 1, "{doctor:#}");
    let examined = doctor["examined"].as_array().ok_or("nothing examined")?;
    let of = |id: &str| examined.iter().find(|one| one["id"] == id).map(|one| one["health"].as_str());
    assert_eq!((of("role"), of("nodes")), (Some(Some("WRONG")), Some(Some("UNKNOWN"))), "{doctor:#}");
    Ok(())
}
