//! The command line: every command, its help, and where it goes.
//!
//! Role: parses, makes the context, runs, turns trouble into messages and an exit code.
//! Invariants: every command has an example in its help (tested); no secret is ever a flag's value that must be typed:
//! the key comes from the environment or a file.
//! Failure story: [`crate::trouble`].

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    audit as audit_local, backup, certs, client,
    commands::{
        Context, address,
        audit::{self, AuditCommand},
        catalogue::{self, CatalogueCommand, InstitutionCommand, ProductCommand, ServerCommand},
        events::{self, EventsCommand},
        grant::{self, GrantCommand},
        import::{self, ImportArgs},
        key::{self, KeyCommand},
        person::{self, PersonCommand},
        request::{self, RequestCommand},
        subscription::{self, SubscriptionCommand},
        webhook::{self, WebhookCommand},
    },
    demo, documents, out,
    policy::{self, PolicyCommand},
    runtime, server, settings,
    show::{self, Format},
    trouble::{EXIT_CODES, Trouble},
};

/// Opens a firewall to exactly the addresses that should reach a hosted server, for exactly as long as they should.
#[derive(Debug, Parser)]
#[command(
    name = "portreeve",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 110,
    after_help = format!(
        "{EXIT_CODES}\n\nBegin with:\n  portreeve serve                       (in one terminal; shows an administrator key once)\n  \
         export PORTREEVE_KEY=…                (in another)\n  portreeve catalogue apply deploy/demo/catalogue.toml\n  \
         portreeve request submit --help"
    )
)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The gateway.
    #[arg(
        long,
        global = true,
        env = "PORTREEVE_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        help_heading = "Everywhere"
    )]
    pub server: String,
    /// A file that holds the key; without it PORTREEVE_KEY. A key is never given as a flag.
    #[arg(
        long,
        global = true,
        env = "PORTREEVE_KEY_FILE",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub key_file: Option<PathBuf>,
    /// How answers look: table for people, json (spelled as in HTTP) for programs.
    #[arg(
        short,
        long,
        global = true,
        env = "PORTREEVE_OUTPUT",
        value_enum,
        default_value = "table",
        help_heading = "Everywhere"
    )]
    pub output: Format,
    /// Leave out messages that only comfort.
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub quiet: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything in one process, or one service.
    #[command(after_help = "Examples:
  portreeve serve                                          everything, on SQLite in ./data
  portreeve serve --database-url postgres://localhost/portreeve
  portreeve serve intake --listen 0.0.0.0:7101             one service; see peers.* and internal-key

A first start makes an administrator key and shows it once.")]
    Serve(server::ServeArgs),
    /// Show the settings in force and where each comes from.
    #[command(after_help = "Examples:
  portreeve config
  portreeve config --example > portreeve.toml              every setting, commented")]
    Config {
        /// Print the fully commented example file instead.
        #[arg(long)]
        example: bool,
    },
    /// Bring the stores to this version's shape, and end.
    #[command(
        after_help = "Example:\n  portreeve migrate --database-url postgres://localhost/portreeve"
    )]
    Migrate,
    /// Copy the stores of a running ledger.
    #[command(after_help = "Examples:
  portreeve backup --to /backups/2026-11-21
  portreeve backup --to /backups/2026-11-21 --database-url postgres://localhost/portreeve   (needs pg_dump)")]
    Backup(backup::BackupArgs),
    /// Bring a backup back into an empty place. Followers are told to begin anew.
    #[command(
        after_help = "Example:\n  portreeve restore --from /backups/2026-11-21 --data-dir ./restored"
    )]
    Restore(backup::RestoreArgs),
    /// Make a CA and certificates for services that run alone, to try or for a small house.
    #[command(after_help = "Examples:
  portreeve certs --out ./certs
  portreeve certs --out ./certs --renew                    new certificates; the CA stays
  portreeve certs --out ./certs --host ledger.example.org  one more name for the edge")]
    Certs(certs::CertsArgs),
    /// Requests for access.
    #[command(subcommand, after_help = "Example:\n  portreeve request list")]
    Request(Box<RequestCommand>),
    /// Access: what is open, to be opened, or to be closed.
    #[command(subcommand, after_help = "Example:\n  portreeve grant list --live")]
    Grant(GrantCommand),
    /// What happened, as it happens.
    #[command(
        subcommand,
        after_help = "Example:\n  portreeve events tail --from start"
    )]
    Events(EventsCommand),
    /// Durable, named places in the feed.
    #[command(subcommand, after_help = "Example:\n  portreeve subscription list")]
    Subscription(SubscriptionCommand),
    /// Events posted to a URL, signed.
    #[command(subcommand, after_help = "Example:\n  portreeve webhook list")]
    Webhook(WebhookCommand),
    /// What was open and who opened it, and whether the history is what it was.
    #[command(subcommand, after_help = "Example:\n  portreeve audit at now")]
    Audit(AuditCommand),
    /// Who may do what: the access policies in force, and what they say.
    #[command(subcommand, after_help = "Example:\n  portreeve policy show")]
    Policy(PolicyCommand),
    /// API keys.
    #[command(subcommand, after_help = "Example:\n  portreeve key list")]
    Key(KeyCommand),
    /// What is kept about a person: copy it out, or erase it.
    #[command(
        subcommand,
        after_help = "Example:\n  portreeve person export --email it@library.example"
    )]
    Person(PersonCommand),
    /// Institutions.
    #[command(subcommand, after_help = "Example:\n  portreeve institution list")]
    Institution(InstitutionCommand),
    /// Products and the teams that serve them.
    #[command(subcommand, after_help = "Example:\n  portreeve product list")]
    Product(ProductCommand),
    /// Hosted servers of institutions.
    #[command(
        subcommand,
        after_help = "Example:\n  portreeve server list --institution north"
    )]
    Server(ServerCommand),
    /// Store institutions, products and servers from a file.
    #[command(
        subcommand,
        after_help = "Example:\n  portreeve catalogue apply deploy/catalog/example.toml"
    )]
    Catalogue(CatalogueCommand),
    /// Submit many requests from a CSV file, or record access that is open already.
    #[command(after_help = import::columns_help())]
    Import(ImportArgs),
    /// Tell whether addresses would be accepted as sources.
    #[command(after_help = "Examples:
  portreeve check 9.9.9.9 10.1.2.3
  portreeve check < addresses.txt && echo all fine")]
    Check(address::CheckArgs),
    /// Tell which address the gateway sees: the one to ask access for.
    #[command(after_help = "Example:\n  portreeve ip")]
    Ip,
    /// Tell who the key is and what it may do.
    #[command(after_help = "Example:\n  portreeve whoami")]
    Whoami,
    /// Print the OpenAPI 3.1 document of the HTTP interface.
    #[command(after_help = "Example:\n  portreeve openapi > openapi.json")]
    Openapi,
    /// Print the AsyncAPI 3.0 document of the events.
    #[command(after_help = "Example:\n  portreeve asyncapi > asyncapi.json")]
    Asyncapi,
    /// Print a completion script for a shell.
    #[command(after_help = "Examples:
  portreeve completion bash > /etc/bash_completion.d/portreeve
  portreeve completion zsh > \"${fpath[1]}/_portreeve\"
  portreeve completion fish > ~/.config/fish/completions/portreeve.fish")]
    Completion {
        /// bash, zsh or fish.
        shell: clap_complete::Shell,
    },
    /// Show the whole road in half a minute, on a ledger of its own.
    #[command(hide = true, after_help = "Example:\n  portreeve demo")]
    Demo(demo::DemoArgs),
}

/// The commands that take the settings as flags.
const WITH_SETTINGS: [&str; 5] = ["serve", "config", "migrate", "backup", "restore"];

/// Those of `audit`.
const AUDIT_WITH_SETTINGS: [&str; 2] = ["verify", "export"];

/// Those of `policy`.
const POLICY_WITH_SETTINGS: [&str; 2] = ["show", "test"];

/// The whole command line, with the flags of the settings.
pub fn command() -> clap::Command {
    WITH_SETTINGS
        .into_iter()
        .fold(Cli::command(), |command, name| {
            command.mut_subcommand(name, settings::flags)
        })
        .mut_subcommand("audit", |audit| {
            AUDIT_WITH_SETTINGS.into_iter().fold(audit, |audit, name| {
                audit.mut_subcommand(name, settings::flags)
            })
        })
        .mut_subcommand("policy", |policy| {
            POLICY_WITH_SETTINGS
                .into_iter()
                .fold(policy, |policy, name| {
                    policy.mut_subcommand(name, settings::flags)
                })
        })
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let matches = command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let (format, address) = (cli.global.output, cli.global.server.clone());
    match run(cli, &matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            show::trouble(format, &trouble, &address);
            ExitCode::from(trouble.exit_code())
        }
    }
}

fn run(cli: Cli, matches: &clap::ArgMatches) -> Result<(), Trouble> {
    // The innermost command has the flags.
    let own = std::iter::successors(Some(matches), |matches| Some(matches.subcommand()?.1)).last();
    let config = || settings::load(own.unwrap_or(matches));
    match cli.command {
        Command::Serve(args) => server::run(&args, &config()?),
        Command::Config { example: true } => out::raw(&settings::example()),
        Command::Config { example: false } => effective(cli.global.output, &config()?),
        Command::Migrate => server::migrate(&config()?),
        Command::Backup(args) => runtime::build(false)?.block_on(backup::backup(&args, &config()?)),
        Command::Restore(args) => {
            runtime::build(false)?.block_on(backup::restore(&args, &config()?))
        }
        Command::Audit(AuditCommand::Verify(args)) => runtime::build(false)?
            .block_on(audit_local::verify(&args, &config()?, cli.global.output)),
        Command::Audit(AuditCommand::Export) => {
            runtime::build(false)?.block_on(audit_local::export(&config()?))
        }
        Command::Certs(args) => certs::run(&args, cli.global.output),
        Command::Policy(command) => policy::run(&command, &config()?, cli.global.output),
        Command::Openapi => out::raw(&documents::openapi()?),
        Command::Asyncapi => out::raw(&documents::asyncapi()?),
        Command::Completion { shell } => completion(shell),
        Command::Demo(args) => runtime::build(true)?.block_on(demo::run(args)),
        command => runtime::build(false)?.block_on(as_client(&cli.global, command)),
    }
}

async fn as_client(global: &Global, command: Command) -> Result<(), Trouble> {
    let key = client::read_key(global.key_file.as_deref())?;
    let context = Context {
        session: client::Session::new(&global.server, key.as_deref())?,
        format: global.output,
        quiet: global.quiet,
    };
    match command {
        Command::Request(command) => request::run(&context, *command).await,
        Command::Grant(command) => grant::run(&context, command).await,
        Command::Events(command) => events::run(&context, command).await,
        Command::Subscription(command) => subscription::run(&context, command).await,
        Command::Webhook(command) => webhook::run(&context, command).await,
        Command::Audit(command) => audit::run(&context, command).await,
        Command::Key(command) => key::run(&context, command).await,
        Command::Person(command) => person::run(&context, command).await,
        Command::Institution(command) => catalogue::institution(&context, command).await,
        Command::Product(command) => catalogue::product(&context, command).await,
        Command::Server(command) => catalogue::server(&context, command).await,
        Command::Catalogue(command) => catalogue::catalogue(&context, command).await,
        Command::Import(args) => import::run(&context, args).await,
        Command::Check(args) => address::check(&context, args).await,
        Command::Ip => address::ip(&context).await,
        Command::Whoami => address::whoami(&context).await,
        // Run without a gateway, above.
        Command::Serve(_)
        | Command::Config { .. }
        | Command::Migrate
        | Command::Backup(_)
        | Command::Restore(_)
        | Command::Certs(_)
        | Command::Policy(_)
        | Command::Openapi
        | Command::Asyncapi
        | Command::Completion { .. }
        | Command::Demo(_) => Ok(()),
    }
}

fn effective(format: Format, config: &service_kit::config::Config) -> Result<(), Trouble> {
    let rows = config.effective();
    if format == Format::Json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({ "key": row.key, "value": row.value, "origin": row.origin }))
            .collect();
        return show::print_json(&serde_json::Value::Array(rows));
    }
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| vec![row.key.to_owned(), row.value, row.origin])
        .collect();
    out::data(show::table(&["setting", "value", "from"], &rows))
}

fn completion(shell: clap_complete::Shell) -> Result<(), Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "portreeve", &mut script);
    out::raw(&String::from_utf8_lossy(&script))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, String)>) {
        for sub in command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
        {
            let path = format!("{path} {}", sub.get_name());
            if sub.has_subcommands() {
                leaves(sub, &path, found);
            } else {
                let after = sub
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                found.push((path, after));
            }
        }
    }

    /// One cursor in 64 does.
    #[test]
    fn a_cursor_may_begin_with_a_hyphen() {
        for line in [
            "portreeve events pull --from -q83v",
            "portreeve events tail --from -q83v",
            "portreeve subscription create --name a --from -q83v",
            "portreeve subscription acknowledge 1 --cursor -q83v",
        ] {
            let read = command().try_get_matches_from(line.split(' '));
            assert!(read.is_ok(), "{line}");
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_that_parses() {
        let mut found = Vec::new();
        leaves(&command(), "portreeve", &mut found);
        assert!(found.len() > 60, "{}", found.len());
        for (path, after) in found {
            assert!(after.contains("Example"), "{path} has no example");
            assert!(
                after.contains(&path),
                "the example of {path} shows another command"
            );
        }
    }

    #[test]
    fn the_examples_parse() {
        let mut found = Vec::new();
        leaves(&command(), "portreeve", &mut found);
        for (_, after) in found {
            let text = after.replace("\\\n", " ");
            for line in text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("portreeve "))
            {
                let line = line
                    .split([';', '|', '<', '>', '&'])
                    .next()
                    .unwrap_or_default();
                let line = line.split("  ").next().unwrap_or_default();
                let line = line.split(" (").next().unwrap_or_default();
                let parsed = command().try_get_matches_from(words(&format!("portreeve {line}")));
                assert!(parsed.is_ok(), "portreeve {line}\n{parsed:?}");
            }
        }
    }

    /// Splits as a shell does, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        for letter in line.chars() {
            match (letter, quote) {
                ('\'' | '"', None) => quote = Some(letter),
                (letter, Some(open)) if letter == open => quote = None,
                (' ', None) => words.push(String::new()),
                (letter, _) => {
                    if let Some(word) = words.last_mut() {
                        word.push(letter);
                    }
                }
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}
