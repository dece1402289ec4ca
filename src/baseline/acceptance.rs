//! What a person said when accepting something, and the package that it may be about.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A distribution as it is installed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its normalised name, `jinja2`.
    pub name: String,
    /// Its version, `3.1.6`.
    pub version: String,
}

impl Package {
    /// The package of that name, however it is spelled: indexes make no difference of case, dashes and underscores.
    pub fn of(name: &str, version: &str) -> Package {
        let mut normal = String::new();
        for character in name.trim().to_lowercase().chars() {
            let is_dash = matches!(character, '-' | '_' | '.');
            if !is_dash {
                normal.push(character);
            } else if !normal.ends_with('-') {
                normal.push('-');
            }
        }
        Package {
            name: normal,
            version: version.trim().to_owned(),
        }
    }
}

/// What was said when something was accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last day on which it holds, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Where it is being worked on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
}

impl Acceptance {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Acceptance::default()
    }

    /// Whether its last day is before `today`.
    pub fn has_expired(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }

    /// This one where it says anything, else `older`, each for itself.
    pub fn over(&self, older: &Acceptance) -> Acceptance {
        Acceptance {
            reason: self.reason.clone().or_else(|| older.reason.clone()),
            until: self.until.or(older.until),
            issue: self.issue.clone().or_else(|| older.issue.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_package_has_one_spelling() {
        for name in ["My.Lib", "my_lib", " my--lib"] {
            assert_eq!(Package::of(name, "1.0").name, "my-lib");
        }
    }

    #[test]
    fn what_is_said_anew_holds_and_the_rest_stays() {
        let older = Acceptance {
            reason: Some("old".to_owned()),
            until: Some("2027-03-01".parse().unwrap()),
            issue: None,
        };
        let newer = Acceptance {
            reason: Some("new".to_owned()),
            ..Acceptance::default()
        };
        let both = newer.over(&older);
        assert_eq!(both.reason.as_deref(), Some("new"));
        assert_eq!(both.until, older.until);
        assert!(both.has_expired("2027-03-02".parse().unwrap()));
        assert!(
            !both.has_expired("2027-03-01".parse().unwrap()),
            "its last day"
        );
    }
}
