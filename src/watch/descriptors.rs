//! What a descriptor leads to, in words: its kind, and which file or which socket.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, Ipv6Addr},
};

/// One open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// `file`, `socket`, `pipe` …
    pub kind: String,
    /// Which, as far as the system says; what differs by a number only is one.
    pub what: String,
}

/// What the link of a descriptor says.
pub(super) fn described(link: &str, sockets: &Sockets) -> Descriptor {
    let (kind, what) = if let Some(inode) = inside(link, "socket:[") {
        let what = inode.parse().ok().and_then(|inode| sockets.0.get(&inode));
        ("socket", what.cloned().unwrap_or_default())
    } else if link.starts_with("pipe:[") {
        ("pipe", String::new())
    } else if let Some(name) = link.strip_prefix("anon_inode:") {
        return Descriptor {
            kind: name.trim_matches(['[', ']']).to_owned(),
            what: String::new(),
        };
    } else if let Some(name) = link.strip_prefix("/memfd:") {
        ("memfd", squeezed(name.trim_end_matches(" (deleted)")))
    } else if link.starts_with("/dev/") && !link.starts_with("/dev/shm/") {
        ("device", squeezed(link))
    } else if link.starts_with('/') {
        ("file", patterned(link))
    } else {
        ("other", squeezed(link))
    };
    Descriptor {
        kind: kind.to_owned(),
        what,
    }
}

fn inside<'a>(link: &'a str, start: &str) -> Option<&'a str> {
    link.strip_prefix(start)?.strip_suffix(']')
}

/// The path without what is drawn anew each time: numbers, and the names that `tempfile` makes.
fn patterned(path: &str) -> String {
    const DRAWN: usize = 8;
    let parts: Vec<String> = path
        .split('/')
        .map(|part| {
            let drawn = |rest: &str| {
                rest.len() >= DRAWN
                    && rest.chars().take(DRAWN).all(|character| {
                        character.is_ascii_lowercase()
                            || character.is_ascii_digit()
                            || character == '_'
                    })
            };
            match part.strip_prefix("tmp") {
                Some(rest) if drawn(rest) => format!("tmp*{}", &rest[DRAWN..]),
                _ => squeezed(part),
            }
        })
        .collect();
    parts.join("/")
}

/// What the tables of sockets say, by inode.
#[derive(Debug, Default)]
pub(super) struct Sockets(HashMap<u64, String>);

impl Sockets {
    /// Reads the tables that `table` gives by their names.
    pub(super) fn parse(table: &dyn Fn(&str) -> String) -> Sockets {
        let mut found = HashMap::new();
        for (protocol, names) in [
            ("tcp", ["net/tcp", "net/tcp6"]),
            ("udp", ["net/udp", "net/udp6"]),
        ] {
            let texts = names.map(table);
            let lines: Vec<Line> = { texts.iter() }
                .flat_map(|text| text.lines().skip(1))
                .filter_map(Line::parse)
                .collect();
            let served: HashSet<u16> = lines
                .iter()
                .filter(|line| line.state == LISTENS)
                .map(|line| line.local.1)
                .collect();
            for line in lines {
                found.insert(line.inode, line.named(protocol, &served));
            }
        }
        for line in table("net/unix").lines().skip(1) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(inode) = words.get(6).and_then(|word| word.parse().ok()) {
                let path = words.get(7).map(|path| format!(" {}", patterned(path)));
                found.insert(inode, format!("unix{}", path.unwrap_or_default()));
            }
        }
        Sockets(found)
    }
}

/// States of TCP, as the tables have them.
const LISTENS: u8 = 0x0a;
/// The other side has closed, and this one has not: what forgotten connections are in.
const HALF_CLOSED: u8 = 8;

/// A line of a table of TCP or UDP.
struct Line {
    local: (String, u16),
    remote: (String, u16),
    state: u8,
    inode: u64,
}

impl Line {
    fn parse(line: &str) -> Option<Line> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Some(Line {
            local: address(words.get(1)?)?,
            remote: address(words.get(2)?)?,
            state: u8::from_str_radix(words.get(3)?, 16).ok()?,
            inode: words.get(9)?.parse().ok()?,
        })
    }

    fn named(&self, protocol: &str, served: &HashSet<u16>) -> String {
        let port = self.local.1;
        let (host, to) = &self.remote;
        let mut name = if self.state == LISTENS {
            format!("{protocol} listening on :{port}")
        } else if served.contains(&port) {
            format!("{protocol} of clients on :{port}")
        } else if *to == 0 {
            protocol.to_owned()
        } else {
            format!("{protocol} to {host}:{to}")
        };
        if self.state == HALF_CLOSED && protocol == "tcp" {
            name.push_str(", closed by the other side");
        }
        name
    }
}

/// `0100007F:1F90` as address and port. The words of an address stand in the order of the machine's bytes.
fn address(word: &str) -> Option<(String, u16)> {
    let (host, port) = word.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::new();
    for start in (0..host.len()).step_by(8) {
        let word = u32::from_str_radix(host.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let host = if let Ok(four) = <[u8; 4]>::try_from(&*bytes) {
        Ipv4Addr::from(four).to_string()
    } else {
        let six = Ipv6Addr::from(<[u8; 16]>::try_from(&*bytes).ok()?);
        six.to_ipv4_mapped()
            .map_or_else(|| format!("[{six}]"), |four| four.to_string())
    };
    Some((host, port))
}

/// The text with each number in it as `#`: what differs by a number only is of one kind.
pub(super) fn squeezed(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_digit() {
            squeezed.push(character);
        } else if !squeezed.ends_with('#') {
            squeezed.push('#');
        }
    }
    squeezed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(link: &str) -> (String, String) {
        let Descriptor { kind, what } = described(link, &Sockets::default());
        (kind, what)
    }

    #[test]
    fn links_have_kinds() {
        let pair = |kind: &str, what: &str| (kind.to_owned(), what.to_owned());
        assert_eq!(named("/srv/orders.db"), pair("file", "/srv/orders.db"));
        assert_eq!(named("/tmp/tmpab12cd_8"), pair("file", "/tmp/tmp*"));
        assert_eq!(
            named("/tmp/tmpab12cd_8.csv (deleted)"),
            pair("file", "/tmp/tmp*.csv (deleted)")
        );
        assert_eq!(named("/srv/log.2026-11-29"), pair("file", "/srv/log.#-#-#"));
        assert_eq!(named("/dev/null"), pair("device", "/dev/null"));
        assert_eq!(named("/dev/shm/psm_1"), pair("file", "/dev/shm/psm_#"));
        assert_eq!(named("/memfd:arena7 (deleted)"), pair("memfd", "arena#"));
        assert_eq!(named("pipe:[12]"), pair("pipe", ""));
        assert_eq!(named("anon_inode:[eventpoll]"), pair("eventpoll", ""));
        assert_eq!(named("socket:[5]"), pair("socket", ""));
        assert_eq!(named("net:[4026531840]"), pair("other", "net:[#]"));
        assert_eq!(named("/tmp/tmpé"), pair("file", "/tmp/tmpé"));
    }

    #[test]
    fn sockets_say_where_they_lead() {
        let table = |name: &str| {
            match name {
            "net/tcp" => "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0\n\
                1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000 0 0 2 1 0 100 0 0 10 0\n\
                2: 0100007F:9C41 0100007F:1538 08 00000000:00000000 00:00000000 00000000 0 0 3 1 0 100 0 0 10 0\n\
                3: nonsense\n",
            "net/tcp6" => "  sl\n\
                0: 00000000000000000000000001000000:C350 0000000000000000FFFF00000100007F:0050 01 0:0 0:0 0 0 0 4 1\n",
            "net/unix" => "Num RefCount Protocol Flags Type St Inode Path\n\
                0000: 00000002 00000000 00010000 0001 01 5 /run/app.sock\n0000: 00000003 00000000 00000000 0001 03 6\n",
            _ => "",
        }
        .to_owned()
        };
        let sockets = Sockets::parse(&table);
        let what = |inode: u64| described(&format!("socket:[{inode}]"), &sockets).what;
        assert_eq!(what(1), "tcp listening on :8080");
        assert_eq!(what(2), "tcp of clients on :8080");
        assert_eq!(what(3), "tcp to 127.0.0.1:5432, closed by the other side");
        assert_eq!(what(4), "tcp to 127.0.0.1:80");
        assert_eq!(what(5), "unix /run/app.sock");
        assert_eq!(what(6), "unix");
        assert_eq!(what(7), "");
    }

    #[test]
    fn numbers_in_names_make_no_other_kind() {
        assert_eq!(squeezed("ThreadPoolExec-0_12"), "ThreadPoolExec-#_#");
        assert_eq!(squeezed("worker"), "worker");
    }
}
