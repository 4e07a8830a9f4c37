//! `pvcheck demo`.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Parser;
use pvcheck_audit::EngineKind;
use pvcheck_ipam::{Exhaustion, Forecast, Subnet, forecast};
use pvcheck_sim::{Day, Model, Replay, Sim, SimOptions, Timings};
use pvcheck_swarm::{Engine, Host, Moment, Progress, ReclaimOptions, Step as ReclaimStep, StepPoint};
use serde::Serialize;
use serde_json::Value;

use super::{audit, census, churn, reclaim, stack, why};
use crate::args::{self, Args, Command, DemoCommand, Output};
use crate::failure::{Failure, code_of_found};
use crate::printer::Printer;
use crate::report::{Document, many};
use crate::session::interrupted;

const NETWORK: &str = "proxy";
/// The day after which the end is forecast.
const FORECAST_DAY: u32 = 3;
/// A replay that goes on for longer than this has gone wrong: at 23 addresses a day a /24 lasts 11 days.
const MOST_DAYS: usize = 60;
const DAY: f64 = 86_400.0;

/// The model's times while the commands run.
const PACE: Timings = Timings {
    allocation: Duration::ZERO,
    schedule: Duration::from_millis(5),
    start: Duration::from_millis(20),
    stop: Duration::from_millis(50),
    reap: Duration::from_millis(20),
    attachment_wait: Duration::from_secs(30),
    node_down: Duration::from_hours(24),
    retry: Duration::from_mins(5),
};

/// The result, as JSON has it.
#[derive(Serialize, schemars::JsonSchema)]
pub(crate) struct Demo {
    seed: u64,
    network: &'static str,
    subnet: Subnet,
    usable: u64,
    days: Vec<Day>,
    forecast: Foreseen,
    full: Full,
    steps: Vec<Step>,
}

impl Document for Demo {
    const KIND: &'static str = "demo";
}

/// The forecast; times are days since the beginning, `null` is unknown or never.
#[derive(Serialize, schemars::JsonSchema)]
struct Foreseen {
    after_day: u32,
    leaked_a_day: Option<f64>,
    dispersion: Option<f64>,
    expected: Option<f64>,
    earliest95: Option<f64>,
    latest95: Option<f64>,
}

/// The end of the days.
#[derive(Serialize, schemars::JsonSchema)]
struct Full {
    /// Days since the beginning.
    after_days: f64,
    /// The service that found no address.
    service: String,
    /// True iff that is within the bounds of the forecast; `null` if it has none.
    as_forecast: Option<bool>,
}

/// A command and what it printed.
#[derive(Serialize, schemars::JsonSchema)]
struct Step {
    about: &'static str,
    command: String,
    exit_code: u8,
    expected_exit_code: u8,
    /// The command's own document; `null` after an error.
    document: Value,
    error: Option<String>,
    #[serde(skip)]
    text: String,
}

/// A command to come.
struct Planned {
    about: &'static str,
    words: String,
    exit_code: u8,
}

pub(crate) async fn run(args: &Args, asked: &args::Demo, printer: &Printer) -> Result<u8, Failure> {
    let DemoCommand::Incident(asked) = &asked.what;
    printer.rests_on(EngineKind::Embedded);
    tokio::select! {
        done = Box::pin(incident(asked.seed, args.global.output, printer)) => done,
        name = interrupted() => Err(Failure::interrupted(format!("interrupted ({name}); the embedded engine is gone, there was nothing else"))),
    }
}

async fn incident(seed: u64, output: Output, printer: &Printer) -> Result<u8, Failure> {
    printer.show(Progress::Step("replaying the days".to_owned()));
    let replayed = tokio::task::spawn_blocking(move || replay(seed)).await.map_err(Failure::unknown)?;
    let (mut demo, mut model) = replayed?;
    if output == Output::Table {
        printer.done();
        printer.print(&printer.marked(story(&demo)))?;
    }
    // What follows is in real time; nobody learns from waiting for a model's containers.
    model.settings_mut().timings = PACE;
    let started = tokio::task::spawn_blocking(move || Sim::start(model, SimOptions::default()));
    let sim = started.await.map_err(Failure::unknown)?.map_err(Failure::unknown)?;
    sim.with_model(Replay::set_clock);
    for planned in plan(&demo.full.service) {
        printer.show(Progress::Step(planned.about.to_owned()));
        let step = follow(&sim, planned, output).await?;
        if output == Output::Table {
            printer.done();
            printer.print(&shown(&step))?;
        }
        demo.steps.push(step);
    }
    printer.done();
    let missed = demo.steps.iter().filter(|step| step.exit_code != step.expected_exit_code).count();
    printer.result(&demo, || match missed {
        0 => "\nEach command ended as it should.\n".to_owned(),
        n => format!("\n{} did not end as it should.\n", many(n as u64, "command")),
    })?;
    Ok(code_of_found(0 < missed))
}

/// The days until a service finds no address, and the host as it is then.
fn replay(seed: u64) -> Result<(Demo, Model), Failure> {
    let subnet = Subnet::parse("10.10.0.0/24").map_err(Failure::unknown)?;
    let mut replay = Replay::new(subnet, seed).map_err(Failure::unknown)?;
    let (mut days, mut foreseen) = (Vec::new(), Forecast::Unknown { intervals: 0, needed: 0 });
    while days.len() < MOST_DAYS
        && let Some(day) = replay.next_day()
    {
        if day.number == FORECAST_DAY {
            foreseen = forecast(subnet.usable(), replay.observations());
        }
        days.push(day);
    }
    let ended = replay
        .ended()
        .ok_or_else(|| Failure::unknown("the network of the demo never ran full; take another --seed"))?;
    let after_days = in_days(ended.at);
    let as_forecast = foreseen.covers(ended.at);
    let forecast = Foreseen::of(foreseen);
    let demo = Demo {
        seed,
        network: NETWORK,
        subnet,
        usable: subnet.usable(),
        days,
        forecast,
        full: Full { after_days, service: ended.service.clone(), as_forecast },
        steps: Vec::new(),
    };
    Ok((demo, replay.into_model()))
}

impl Foreseen {
    fn of(forecast: Forecast) -> Self {
        let unknown = Self {
            after_day: FORECAST_DAY,
            leaked_a_day: None,
            dispersion: None,
            expected: None,
            earliest95: None,
            latest95: None,
        };
        match forecast {
            Forecast::Unknown { .. } => unknown,
            Forecast::Never { not_before } => {
                Self { leaked_a_day: Some(0.0), earliest95: Some(in_days(not_before)), ..unknown }
            }
            Forecast::Full(Exhaustion { per_day, dispersion, expected, earliest, latest }) => Self {
                after_day: FORECAST_DAY,
                leaked_a_day: Some(per_day),
                dispersion: Some(dispersion),
                expected: Some(in_days(expected)),
                earliest95: Some(in_days(earliest)),
                latest95: latest.map(in_days),
            },
        }
    }
}

/// What an operator does, each with the exit code that it has if the story holds.
fn plan(service: &str) -> Vec<Planned> {
    let stack = service.strip_suffix("_app").unwrap_or(service);
    let step = |about, words: String, exit_code| Planned { about, words, exit_code };
    vec![
        step("The audit: which network is full, and of what", format!("audit {NETWORK}"), 1),
        step("Why the service does not start", format!("why {service}"), 1),
        step(
            "And which of its networks it is, if one look does not show that",
            format!("why {service} --probe"),
            1,
        ),
        step(
            "The cure: the embedded engine has one manager and no process to borrow a second one from, so it is restarted",
            format!("reclaim {NETWORK} --strategy restart --now --apply"),
            0,
        ),
        step("The service that waited", format!("why {service}"), 0),
        step("The proof: what is leaked now", format!("census {NETWORK}"), 0),
        step("Its removal, without a leak", format!("stack rm {stack} --apply"), 0),
        step(
            "The proof that nothing is lost any more if stacks are removed in this order",
            format!("churn {NETWORK} --stacks 5 --image busybox:1 --apply"),
            0,
        ),
    ]
}

/// Runs a command of the plan as the program itself would, against the replay's engine.
async fn follow(sim: &Sim, planned: Planned, output: Output) -> Result<Step, Failure> {
    let words = format!("pvcheck {}", planned.words);
    let own = ["--host", &sim.host()].map(str::to_owned);
    let args =
        Args::try_parse_from(words.split(' ').map(str::to_owned).chain(own)).map_err(Failure::unknown)?;
    let keeper = Printer::keeping(output);
    let outcome = match &args.command {
        Command::Audit(asked) => audit::run(&args, asked, &keeper).await,
        Command::Why(asked) => why::run(&args, asked, &keeper).await,
        Command::Reclaim(asked) => restart(sim, asked, &keeper).await,
        Command::Census(asked) => census::run(&args, asked, &keeper).await,
        Command::Stack(asked) => stack::run(&args, asked, &keeper).await,
        Command::Churn(asked) => churn::run(&args, asked, &keeper).await,
        other => return Err(Failure::unknown(format!("{other:?} is no part of the demo"))),
    };
    let (exit_code, error) = match outcome {
        Ok(code) => (code, None),
        Err(failure) => (failure.code, Some(failure.line)),
    };
    let text = keeper.kept();
    let document =
        if output == Output::Json { serde_json::from_str(&text).unwrap_or_default() } else { Value::Null };
    let Planned { about, exit_code: expected_exit_code, .. } = planned;
    Ok(Step { about, command: words, exit_code, expected_exit_code, document, error, text })
}

/// The reclaim of the plan. No command may restart the engine of this machine: where the operator's would run, the model is
/// restarted.
async fn restart(sim: &Sim, asked: &args::Reclaim, printer: &Printer) -> Result<u8, Failure> {
    // The folder of the socket is the model's own and goes with it.
    let state = sim.socket().with_file_name("reclaim");
    let hook = |point: StepPoint| {
        if point.step == ReclaimStep::Restart && point.moment == Moment::Begun {
            sim.with_model(Model::restart_engine);
        }
    };
    let engine = Engine::connect(&sim.host().parse::<Host>().map_err(Failure::unknown)?).await?;
    printer.rests_on(engine.kind());
    let options =
        ReclaimOptions { state, restart_command: "true".to_owned(), hook: &hook, ..reclaim::options(asked) };
    reclaim::apply(&engine, &[], &options, printer).await
}

fn in_days(time: Duration) -> f64 {
    time.as_secs_f64() / DAY
}

/// The days. Writing to a String cannot fail.
fn story(demo: &Demo) -> String {
    let mut text = format!(
        "A CI host in the days before 2026-06-12, in virtual time, seed {}: recipes are deployed as throwaway stacks on {} {}\n\
         ({} usable addresses) and removed with `docker stack rm`.\n\n{:>4} {:>7} {:>12} {:>7} {:>6} {:>5}\n",
        demo.seed,
        demo.network,
        demo.subnet,
        demo.usable,
        "DAY",
        "STACKS",
        "LEAKED TODAY",
        "LEAKED",
        "OWNED",
        "FREE"
    );
    for day in &demo.days {
        let Day { number, deployed, newly_leaked, leaked, owned, free } = day;
        let _ =
            writeln!(text, "{number:>4} {deployed:>7} {newly_leaked:>12} {leaked:>7} {owned:>6} {free:>5}");
        if *number == demo.forecast.after_day {
            let _ = writeln!(text, "     {}", foreseen(&demo.forecast));
        }
    }
    let Full { after_days, service, as_forecast } = &demo.full;
    let bounds = match as_forecast {
        Some(true) => "within the bounds of the forecast",
        Some(false) => "outside of the bounds of the forecast, as happens to 5 of 100",
        None => "without a forecast to compare with",
    };
    let _ = writeln!(
        text,
        "\nAfter {after_days:.1} days, {bounds}, {service} was deployed, and its tasks stay in New."
    );
    text
}

fn foreseen(forecast: &Foreseen) -> String {
    let Foreseen {
        leaked_a_day: Some(rate),
        expected: Some(expected),
        earliest95: Some(earliest),
        latest95,
        ..
    } = forecast
    else {
        return "the forecast: unknown".to_owned();
    };
    let latest = latest95.map_or_else(|| "no bound".to_owned(), |latest| format!("{latest:.1}"));
    format!(
        "the forecast: {rate:.1} leaked a day, so full after {expected:.1} days, with 95 % confidence between {earliest:.1} and {latest}"
    )
}

/// A command and its output.
fn shown(step: &Step) -> String {
    let error = step.error.as_ref().map(|line| format!("pvcheck: {line}\n")).unwrap_or_default();
    let code = if step.exit_code == 0 { String::new() } else { format!("(exit code {})\n", step.exit_code) };
    format!("\n# {}\n$ {}\n{}{error}{code}", step.about, step.command, step.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_tells_the_same_story_again() {
        let told = |seed| {
            let (demo, model) = replay(seed).map_err(|failure| failure.line).expect("a /24 fills up");
            (story(&demo), model.truth())
        };
        let (first, truth) = told(1);
        assert_eq!((&first, &truth), (&told(1).0, &told(1).1));
        assert_ne!(first, told(2).0);
        assert!(first.contains("the forecast: ") && first.contains("its tasks stay in New"), "{first}");
        assert_eq!(truth.network("proxy").and_then(|proxy| proxy.free), Some(0));
    }

    #[test]
    fn every_command_of_the_plan_is_one_that_a_user_can_type() {
        for planned in plan("ghos-bdd2f3_app") {
            let words = format!("pvcheck {}", planned.words);
            assert!(Args::try_parse_from(words.split(' ')).is_ok(), "{words}");
        }
    }

    #[test]
    fn a_forecast_without_an_end_says_so() {
        let mut open = Foreseen::of(Forecast::Full(Exhaustion {
            per_day: 23.04,
            dispersion: 1.7,
            expected: Duration::from_hours(240),
            earliest: Duration::from_hours(180),
            latest: None,
        }));
        let text = "the forecast: 23.0 leaked a day, so full after 10.0 days, with 95 % confidence between 7.5 and no bound";
        assert_eq!(foreseen(&open), text);
        open.expected = None;
        assert_eq!(foreseen(&open), "the forecast: unknown");
    }

    #[test]
    fn a_failed_command_shows_its_one_line() {
        let step = Step {
            about: "Why",
            command: "pvcheck why x".into(),
            exit_code: 2,
            expected_exit_code: 1,
            document: Value::Null,
            error: Some("there is no x".into()),
            text: String::new(),
        };
        assert_eq!(shown(&step), "\n# Why\n$ pvcheck why x\npvcheck: there is no x\n(exit code 2)\n");
    }
}
