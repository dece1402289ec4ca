//! Values of a file as its readers want them, and what is wrong with one that is no such value.

use std::ops::Range;

use toml::{Spanned, de::DeValue};

use super::{
    terms::Given,
    text,
    value::{Mismatch, Scalar},
};

/// A problem with a part of a file, not yet put into words for a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Bytes into the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
}

/// The message for a value of the wrong kind or out of range.
pub(super) fn misfit(
    key: &str,
    value: &Spanned<DeValue<'_>>,
    content: &str,
    mismatch: &Mismatch,
) -> String {
    let found = match value.get_ref() {
        DeValue::Table(_) => "a table".to_owned(),
        _ => text::excerpt(&content[value.span()], 40),
    };
    let detail = mismatch
        .detail
        .as_ref()
        .map_or(String::new(), |detail| format!(": {detail}"));
    format!(
        "`{key}`: expected {}, found {found}{detail}",
        mismatch.expected
    )
}

/// A value that may be a table of plain ones.
pub(super) fn given<'a>(value: &'a DeValue<'_>) -> Given<'a> {
    match value {
        DeValue::Table(table) => Given::Table(
            table
                .iter()
                .map(|(name, value)| (name.get_ref().as_ref(), scalar(value.get_ref())))
                .collect(),
        ),
        value => Given::One(scalar(value)),
    }
}

pub(super) fn scalar<'a>(value: &'a DeValue<'_>) -> Scalar<'a> {
    match value {
        DeValue::String(text) => Scalar::Text(text),
        DeValue::Integer(whole) => {
            i64::from_str_radix(whole.as_str(), whole.radix()).map_or(Scalar::Other, Scalar::Whole)
        }
        DeValue::Float(real) => real.as_str().parse().map_or(Scalar::Other, Scalar::Real),
        DeValue::Boolean(flag) => Scalar::Flag(*flag),
        _ => Scalar::Other,
    }
}

/// A list of text, none of it empty: an empty path or argument is a slip, and runners take it for something else.
pub(super) fn list(value: &DeValue<'_>) -> Result<Vec<String>, Mismatch> {
    let strings = value.as_array().and_then(|array| {
        let text = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
        array
            .iter()
            .map(|item| text(item).filter(|text| !text.is_empty()))
            .collect()
    });
    strings.ok_or(Mismatch {
        expected: "a list of strings such as [\"one\", \"two\"]",
        detail: None,
    })
}
