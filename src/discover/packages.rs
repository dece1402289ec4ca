//! Which installed distribution, in which version, a file belongs to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::files::read;

/// Bytes of the longest record: that of a package of a million files.
const LONGEST: u64 = 256 << 20;

/// The name and the version of the distribution that installed `file`, a path relative to one of
/// `folders`, where packages are. `None` where no record says so.
pub fn owner_of(folders: &[PathBuf], file: &str) -> Option<(String, String)> {
    folders.iter().find_map(|folder| {
        let mut records: Vec<PathBuf> = fs::read_dir(folder)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "dist-info")
            })
            .collect();
        records.sort();
        records
            .into_iter()
            .find(|record| lists(&record.join("RECORD"), file))
            .and_then(|record| named(&record))
    })
}

/// Whether the record, lines of `path,hash,size`, lists `file`. A path with a comma is quoted.
fn lists(record: &Path, file: &str) -> bool {
    let Ok(text) = read::text(record, LONGEST) else {
        return false;
    };
    let quoted = format!("\"{}\"", file.replace('"', "\"\""));
    text.lines().any(|line| {
        [file, &quoted].iter().any(|name| {
            line.strip_prefix(*name)
                .is_some_and(|rest| rest.starts_with(','))
        })
    })
}

/// `my_lib-1.0.dist-info`: neither part has a dash of its own.
fn named(record: &Path) -> Option<(String, String)> {
    let name = record.file_stem()?.to_str()?;
    let (name, version) = name.rsplit_once('-')?;
    Some((name.to_owned(), version.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::suite::tests::tree;

    #[test]
    fn a_file_belongs_to_the_distribution_whose_record_lists_it() {
        let site = tree(&[
            (
                "jinja2-3.1.6.dist-info/RECORD",
                "jinja2/lexer.py,sha256=x,9\n",
            ),
            ("ns_one-1.0.dist-info/RECORD", "ns/one.py,,\n"),
            (
                "ns_two-2.0.dist-info/RECORD",
                "ns/two.py,,\n\"ns/a,b.py\",,\n",
            ),
            ("broken.dist-info/RECORD", "broken.py,,\n"),
        ]);
        let folders = [PathBuf::from("/nonexistent"), site.path().to_owned()];
        let owner = |file: &str| owner_of(&folders, file);
        let is = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(owner("jinja2/lexer.py"), is("jinja2", "3.1.6"));
        assert_eq!(owner("ns/one.py"), is("ns_one", "1.0"));
        assert_eq!(owner("ns/two.py"), is("ns_two", "2.0"));
        assert_eq!(owner("ns/a,b.py"), is("ns_two", "2.0"));
        assert_eq!(owner("ns/three.py"), None);
        assert_eq!(
            owner("ns/one"),
            None,
            "the beginning of a name is not the name"
        );
        assert_eq!(owner("broken.py"), None);
    }
}
