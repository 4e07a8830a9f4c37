//! `pvcheck schema`: what JSON documents look like, as JSON Schemas of their types.

use pvcheck_audit::{Audit, Why};
use pvcheck_boot::BootReport;
use pvcheck_gates::{GateReport, Review, Window};
use pvcheck_guard::{Explained, ForeignGuard, Guard};
use pvcheck_journal::Scan;
use pvcheck_routes::{RoutesReport, WatchSummary};
use pvcheck_swarm::{Census, Churn, ChurnComparison, CopyPutBack, Reclaim, ReclaimPlan, RenewalPlan};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::plan_subnet::report::Report as SubnetPlan;
use super::{
    check, churn, demo, doctor, embedded, explain, finding, gate, init, keys, ledger, report, resize, stack,
    status, sweep, verify,
};
use crate::args;
use crate::failure::{DONE, Failure};
use crate::printer::Printer;
use crate::report::{Document, SCHEMA};

/// The kinds that have a schema.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Kinds {
    kinds: Vec<&'static str>,
}

impl Document for Kinds {
    const KIND: &'static str = "schemas";
}

/// A kind of document, and how its schema is made.
struct Kind {
    name: &'static str,
    schema: fn() -> Schema,
}

const fn of<T: Document + JsonSchema>() -> Kind {
    Kind { name: T::KIND, schema: schema_of::<T> }
}

/// Every kind that a command prints, in alphabetical order.
const KINDS: [Kind; 42] = [
    of::<Audit>(),
    of::<BootReport>(),
    of::<Census>(),
    of::<check::Row>(),
    of::<check::Checks>(),
    of::<Churn>(),
    of::<ChurnComparison>(),
    of::<churn::Planned<'_>>(),
    of::<Review>(),
    of::<demo::Demo>(),
    of::<doctor::Report>(),
    of::<embedded::Served>(),
    of::<explain::Explained>(),
    of::<finding::Findings>(),
    of::<GateReport>(),
    of::<gate::diff::Changed>(),
    of::<status::Shown>(),
    of::<verify::Verified<'_>>(),
    of::<gate::list::List>(),
    of::<Guard>(),
    of::<ForeignGuard>(),
    of::<Explained>(),
    of::<init::Report<'_>>(),
    of::<Scan>(),
    of::<keys::Made>(),
    of::<ledger::Checked<'_>>(),
    of::<ledger::Appended<'_>>(),
    of::<Reclaim>(),
    of::<CopyPutBack>(),
    of::<ReclaimPlan>(),
    of::<resize::Renewed>(),
    of::<RenewalPlan>(),
    of::<resize::Status>(),
    of::<report::Written>(),
    of::<RoutesReport>(),
    of::<WatchSummary>(),
    of::<Kinds>(),
    of::<stack::Report<'_>>(),
    of::<SubnetPlan<'_>>(),
    of::<sweep::Report>(),
    of::<Why>(),
    of::<Window>(),
];

pub(crate) fn run(asked: &args::Schema, printer: &Printer) -> Result<u8, Failure> {
    printer.done();
    let Some(name) = &asked.kind else {
        let list = Kinds { kinds: KINDS.iter().map(|kind| kind.name).collect() };
        printer.result(&list, || list.kinds.iter().map(|kind| format!("{kind}\n")).collect())?;
        return Ok(DONE);
    };
    let found = KINDS.iter().find(|kind| kind.name == *name);
    let none = || Failure::usage(format!("there is no kind `{name}`; `pvcheck schema` lists them"));
    // A schema is a document of its own kind, and so without an envelope, whatever the format.
    printer.json(&(found.ok_or_else(none)?.schema)())?;
    Ok(DONE)
}

/// The schema of a document in its envelope.
fn schema_of<T: Document + JsonSchema>() -> Schema {
    let mut schema =
        SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    let object = schema.ensure_object();
    object.insert("title".to_owned(), json!(format!("pvcheck {}", T::KIND)));
    object.insert("type".to_owned(), json!("object"));
    let envelope = [
        ("schema", json!({"const": SCHEMA})),
        ("kind", json!({"const": T::KIND})),
        ("engine", json!({"const": "embedded", "description": "There iff it rests on the embedded engine."})),
    ];
    if let Value::Object(properties) = object.entry("properties").or_insert_with(|| json!({})) {
        properties.extend(envelope.map(|(name, schema)| (name.to_owned(), schema)));
    }
    if let Value::Array(required) = object.entry("required").or_insert_with(|| json!([])) {
        required.extend([json!("schema"), json!("kind")]);
    }
    schema
}
