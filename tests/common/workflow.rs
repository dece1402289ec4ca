//! Understands the log of a GitHub Actions step as the runner does.
//!
//! Written after the rules in `src/Runner.Common/ActionCommand.cs` and `src/Runner.Worker/ActionCommandManager.cs` of the
//! public repository `actions/runner`: a line whose first text is `::name properties::data`, or that has
//! `##[name properties]data` anywhere, is a command if the name is registered; after `stop-commands` only its token counts.

/// What the runner has registered.
const COMMANDS: [&str; 15] = [
    "set-env",
    "set-output",
    "save-state",
    "add-path",
    "add-mask",
    "add-matcher",
    "remove-matcher",
    "warning",
    "error",
    "notice",
    "debug",
    "echo",
    "group",
    "endgroup",
    "stop-commands",
];

/// A command with its properties and its data, unescaped.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// `error`
    pub name: String,
    /// Name and value of each.
    pub properties: Vec<(String, String)>,
    /// What follows.
    pub data: String,
}

impl Command {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(of, _)| of == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Every command of the log, in its order.
pub fn commands(log: &str) -> Vec<Command> {
    let mut found = Vec::new();
    let mut stopped: Option<String> = None;
    for line in log.split(['\n', '\r']) {
        if let Some(token) = &stopped {
            if line
                .trim_start()
                .strip_prefix("::")
                .and_then(|rest| rest.strip_suffix("::"))
                == Some(token)
            {
                stopped = None;
            }
            continue;
        }
        let Some(command) = colons(line).or_else(|| brackets(line)) else {
            continue;
        };
        if command.name == "stop-commands" {
            stopped = Some(command.data.clone());
        }
        found.push(command);
    }
    assert_eq!(stopped, None, "commands are off at the end");
    found
}

fn colons(line: &str) -> Option<Command> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (information, data) = rest.split_once("::")?;
    let unescape_data = |text: &str| {
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%25", "%")
    };
    let unescape = |text: &str| {
        text.replace("%0D", "\r")
            .replace("%0A", "\n")
            .replace("%3A", ":")
            .replace("%2C", ",")
            .replace("%25", "%")
    };
    command(information, ',', &unescape, unescape_data(data))
}

fn brackets(line: &str) -> Option<Command> {
    let rest = &line[line.find("##[")? + 3..];
    let (information, data) = rest.split_once(']')?;
    command(information, ';', &str::to_owned, data.to_owned())
}

fn command(
    information: &str,
    separator: char,
    unescape: &dyn Fn(&str) -> String,
    data: String,
) -> Option<Command> {
    let (name, properties) = information.split_once(' ').unwrap_or((information, ""));
    COMMANDS.contains(&name).then(|| Command {
        name: name.to_owned(),
        properties: properties
            .trim()
            .split(separator)
            .filter_map(|property| property.split_once('='))
            .map(|(name, value)| (name.to_owned(), unescape(value)))
            .collect(),
        data,
    })
}
