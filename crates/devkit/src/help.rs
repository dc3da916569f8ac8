//! `devkit --help`: the subcommands by what they are for. Each says what it does where it is defined.

use clap::Command;

/// What people come for, with the subcommands that do it.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Try the functions", &["demo", "sandbox", "cases", "send"]),
    ("Look into a ledger", &["show", "explain", "failed", "unmapped", "replay", "compact"]),
    ("Prove what the README says", &["compare", "crash", "bench", "arm64"]),
    ("Call a function as Lambda does", &["envelope", "answer"]),
];

const EXAMPLES: &str = "Examples:
  devkit demo
  devkit send stripe checkout-subscription
  devkit explain --path ledger.redb sub_1

`devkit COMMAND --help` says more. Variables of the functions: docs/configuration.md";

/// The command with its subcommands in groups; one that no group names comes last.
pub fn grouped(command: Command) -> Command {
    let line = |name: &str| {
        let about = command.find_subcommand(name)?.get_about()?;
        Some(format!("  {name:<10}{about}\n"))
    };
    let mut text = String::new();
    for (title, names) in GROUPS {
        text.push_str(&format!("{title}:\n"));
        text.extend(names.iter().filter_map(|name| line(name)));
        text.push('\n');
    }
    let shown = command.get_subcommands().filter(|it| !it.is_hide_set());
    let others = shown.map(Command::get_name);
    let is_grouped = |name: &str| GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others: String = others.filter(|name| !is_grouped(name)).filter_map(line).collect();
    if !others.is_empty() {
        text.push_str(&format!("Other:\n{others}\n"));
    }
    let template = format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{text}Options:\n{{options}}\n\n{EXAMPLES}\n"
    );
    command.help_template(template)
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, grouped};
    use clap::Command;

    fn command(names: &[&'static str]) -> Command {
        let of = |name: &&'static str| Command::new(*name).about(format!("Does {name}"));
        Command::new("devkit")
            .about("Tools")
            .subcommands(names.iter().map(of))
            .subcommand(Command::new("inner").hide(true))
    }

    #[test]
    fn subcommands_stand_under_what_they_are_for() {
        let help = grouped(command(&["demo", "show", "new"])).render_help().to_string();
        for text in [
            "Try the functions:\n  demo      Does demo\n",
            "Look into a ledger:\n  show      Does show\n",
            "Other:\n  new       Does new\n",
            "Usage: devkit [COMMAND]",
        ] {
            assert!(help.contains(text), "{help}");
        }
        let all: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let help = grouped(command(&all)).render_help().to_string();
        assert!(
            !help.contains("Other:") && help.contains("explain") && !help.contains("inner"),
            "{help}"
        );
    }
}
