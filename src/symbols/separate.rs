//! Debug information that is not in the file with the machine code: in a file of its own, or in one of each source file.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use addr2line::{LookupContinuation, LookupResult, SplitDwarfLoad};
use gimli::{Dwarf, DwarfPackage, Reader};
use object::Object;

use super::{LARGEST, Slice, load, text};
use crate::files::read;

/// Where systems keep debug information apart.
const DEBUG: &str = "/usr/lib/debug";
/// By which debuginfod's clients are told where to keep what they fetched. Nothing is fetched here.
const CACHE: &str = "DEBUGINFOD_CACHE_PATH";

/// Folders with files of debug information.
pub(super) struct Folders {
    /// By build id, or by the path of what it is of.
    pub debug: PathBuf,
    /// What debuginfod's clients fetched, where a path to it is given.
    pub cache: Option<PathBuf>,
}

impl Default for Folders {
    fn default() -> Folders {
        Folders {
            debug: DEBUG.into(),
            cache: { env::var_os(CACHE) }
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
        }
    }
}

impl Folders {
    /// Where debug information that was split off a file may be: by its build id, and by the name that it has left behind.
    pub fn of(&self, file: &object::File<'_>, path: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if let Ok(Some(id)) = file.build_id()
            && id.len() > 1
        {
            let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
            let (first, rest) = id.split_at(2);
            found.push(self.debug.join(format!(".build-id/{first}/{rest}.debug")));
            found.extend(
                self.cache
                    .iter()
                    .map(|cache| cache.join(&id).join("debuginfo")),
            );
        }
        if let (Some(name), Some(folder)) = (left_behind(file), path.parent()) {
            let inside = folder.strip_prefix("/").unwrap_or(folder);
            found.push(folder.join(&name));
            found.push(folder.join(".debug").join(&name));
            found.push(self.debug.join(inside).join(&name));
        }
        found.retain(|other| other != path);
        found
    }
}

/// The name of the file that debug information was split off into.
pub(super) fn left_behind(file: &object::File<'_>) -> Option<String> {
    let (name, _) = file.gnu_debuglink().ok()??;
    Some(text(name))
}

/// Whether `debug`, read from `bytes`, is of the same build as `file`: lines of another one would be wrong.
pub(super) fn is_of(file: &object::File<'_>, debug: &object::File<'_>, bytes: &[u8]) -> bool {
    if let (Ok(Some(id)), Ok(Some(other))) = (file.build_id(), debug.build_id()) {
        return id == other;
    }
    matches!(file.gnu_debuglink(), Ok(Some((_, sum))) if sum == checksum(bytes))
}

/// CRC-32, as `objcopy --add-gnu-debuglink` notes it.
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut value = at as u32;
            let mut bit = 0;
            while bit < 8 {
                value = (value >> 1) ^ ((value & 1) * 0xedb8_8320);
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (sum >> 8) ^ TABLE[(sum as u8 ^ byte) as usize]
    })
}

/// What `gcc -gsplit-dwarf` leaves in files beside what it compiles (`.dwo`), or `dwp` packs into one (`.dwp`).
pub(super) struct Split {
    folder: PathBuf,
    package: Option<DwarfPackage<Slice>>,
}

impl Split {
    /// For the file at `path`, or what was split off it.
    pub fn beside(path: &Path) -> Split {
        let mut package = path.as_os_str().to_owned();
        package.push(".dwp");
        Split {
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            package: packed(Path::new(&package)),
        }
    }

    /// What a lookup comes to when it has what it asks for, as far as that is there.
    pub fn resolved<L>(&self, mut lookup: LookupResult<L>) -> L::Output
    where
        L: LookupContinuation<Buf = Slice>,
    {
        loop {
            lookup = match lookup {
                LookupResult::Output(found) => return found,
                LookupResult::Load { load, continuation } => continuation.resume(self.load(&load)),
            };
        }
    }

    fn load(&self, wanted: &SplitDwarfLoad<Slice>) -> Option<Arc<Dwarf<Slice>>> {
        let of_unit =
            |package: &DwarfPackage<Slice>| package.find_cu(wanted.dwo_id, &wanted.parent);
        if let Some(Ok(Some(packed))) = self.package.as_ref().map(of_unit) {
            return Some(Arc::new(packed));
        }
        let name = wanted.path.as_ref()?.to_slice().ok()?;
        let name = PathBuf::from(text(&name));
        let folder = wanted
            .comp_dir
            .as_ref()
            .and_then(|folder| folder.to_slice().ok());
        let folder = folder.map_or_else(PathBuf::new, |folder| PathBuf::from(text(&folder)));
        // Where it was compiled, and where it was brought with what was compiled.
        let beside = self.folder.join(name.file_name()?);
        [folder.join(&name), beside].iter().find_map(|path| {
            let bytes = read::bytes(path, LARGEST).ok()?;
            let file = object::File::parse(&*bytes).ok()?;
            let mut dwarf = Dwarf::load(|id| load(&file, id.dwo_name())).ok()?;
            let unit = dwarf.unit(dwarf.units().next().ok()??).ok()?;
            if unit.dwo_id != Some(wanted.dwo_id) {
                return None;
            }
            dwarf.make_dwo(&wanted.parent);
            Some(Arc::new(dwarf))
        })
    }
}

fn packed(path: &Path) -> Option<DwarfPackage<Slice>> {
    let bytes = read::bytes(path, LARGEST).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let empty = load(&file, None).ok()?;
    DwarfPackage::load(|id| load(&file, id.dwo_name()), empty).ok()
}
