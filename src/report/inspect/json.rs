//! One test under the microscope for programs, schema `leakcheck.inspection/1`.

use std::io;

use serde::Serialize;

use super::{Garbage, Holding, Inspection, Native, Peak, Routine};
use crate::{
    finding::{Curve, Finding, TypeGrowth},
    heap::partition::Partition,
    report::{
        Environment,
        json::{Test, pretty},
    },
    worker::protocol::Trouble,
};

/// Name and version of the schema. Within a version it only grows.
const SCHEMA: &str = "leakcheck.inspection/1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    version: &'a str,
    environment: &'a Environment,
    exit_code: u8,
    test: Option<Test<'a>>,
    findings: &'a [Finding],
    curves: &'a [Curve],
    types: &'a [TypeGrowth],
    survivors: Option<&'a Partition>,
    holding: Option<&'a Holding>,
    garbage: Option<&'a Garbage>,
    native: &'a [Native],
    routines: &'a [Routine],
    peak: Option<&'a Peak>,
    errors: &'a [Trouble],
    notes: &'a [String],
}

/// Writes the document.
pub fn write(inspection: &Inspection, out: &mut dyn io::Write) -> io::Result<()> {
    let document = Document {
        schema: SCHEMA,
        version: &inspection.version,
        environment: &inspection.environment,
        exit_code: inspection.exit_code.number(),
        test: inspection.test.as_ref().map(Test::from),
        findings: &inspection.findings,
        curves: &inspection.curves,
        types: &inspection.types,
        survivors: inspection.survivors.as_ref(),
        holding: inspection.holding.as_ref(),
        garbage: inspection.garbage.as_ref(),
        native: &inspection.native,
        routines: &inspection.routines,
        peak: inspection.peak.as_ref(),
        errors: &inspection.errors,
        notes: &inspection.notes,
    };
    pretty(&document, out)
}
