//! `portreeve key …`: who may call, as what.
//!
//! Role: make, list, rotate and revoke API keys.
//! Invariants: a secret is printed once, when it is made, on standard output alone, or written to a new file that
//! only its owner can read.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use domain::access::{Role, RoleBinding, Scope};
use proto::intake::v1 as intake;

use super::{Context, asked::read_instant};
use crate::{
    client::{Page, empty_answer, fresh_request_id},
    out,
    private_file::SecretFile,
    show::{self, Format},
    trouble::Trouble,
};

/// API keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// Make a key; shows its secret once.
    #[command(after_help = "Examples:
  portreeve key create --name 'North portal' --role requester --scope institution:north
  portreeve key create --name 'Alma triage' --role analyst --scope product:alma
  portreeve key create --name 'Cloud' --role cloud --scope team:cloud --secret-file cloud.key")]
    Create(Create),
    /// List keys, newest first.
    #[command(after_help = "Example:\n  portreeve key list")]
    List(Page),
    /// Give a key another secret; shows it once. The present one goes on for the overlap.
    #[command(after_help = "Examples:
  portreeve key rotate 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 --overlap 24h
  portreeve key rotate 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 --overlap 0s    # the old secret leaked: end it now")]
    Rotate(Rotate),
    /// Revoke a key; it stops working within a second.
    #[command(after_help = "Example:\n  portreeve key revoke 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11")]
    Revoke {
        /// The key's UUID.
        #[arg(value_name = "KEY")]
        id: String,
    },
}

/// `key create`.
#[derive(Debug, Clone, Args)]
pub struct Create {
    /// A name for people.
    #[arg(long)]
    pub name: String,
    /// What it may act as: requester, delegate, analyst, cloud, institution_approver, auditor or administrator.
    /// May be repeated, each with its own --scope.
    #[arg(long = "role", required = true)]
    pub roles: Vec<Role>,
    /// Where: all, institution:ID, product:ID or team:ID; one for all roles or one for each.
    #[arg(long = "scope", required = true)]
    pub scopes: Vec<Scope>,
    /// Who answers for it, and may not approve what it asks for: oidc:PROVIDER:SUBJECT or key:UUID. Else you.
    #[arg(long, value_name = "PRINCIPAL")]
    pub owner: Option<String>,
    /// Ends by itself then (RFC 3339).
    #[arg(long, value_name = "WHEN")]
    pub expires: Option<String>,
    /// Write the secret into this new file (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Idempotency key: the same one again repeats nothing.
    #[arg(long, value_name = "KEY")]
    pub request_id: Option<String>,
}

/// `key rotate`.
#[derive(Debug, Clone, Args)]
pub struct Rotate {
    /// The key's UUID.
    #[arg(value_name = "KEY")]
    pub id: String,
    /// How long the present secret goes on, in whole seconds: 30 days at most; 0s ends every other secret now.
    #[arg(long, value_parser = super::read_duration)]
    pub overlap: Duration,
    /// Write the secret into this new file (mode 0600) instead of showing it.
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Idempotency key: the same one again repeats nothing.
    #[arg(long, value_name = "KEY")]
    pub request_id: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: KeyCommand) -> Result<(), Trouble> {
    let mut client = context.session.keys();
    match command {
        KeyCommand::Create(args) => create(context, args).await,
        KeyCommand::Rotate(args) => rotate(context, args).await,
        KeyCommand::List(page) => {
            let mut request = intake::ListApiKeysRequest::default();
            let mut found = Vec::new();
            while let Some(page_size) = page.next_size(found.len()) {
                request.page_size = page_size;
                let answer = client.list_api_keys(request.clone()).await?.into_inner();
                found.extend(answer.api_keys);
                request.page_token = answer.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            show::many(context.format, &found, context.now())?;
            super::more(&request.page_token);
            Ok(())
        }
        KeyCommand::Revoke { id } => {
            let answer = client
                .revoke_api_key(intake::RevokeApiKeyRequest { id })
                .await?;
            let key = answer.into_inner().api_key.ok_or_else(empty_answer)?;
            show::one(context.format, &key, context.now())
        }
    }
}

fn bindings(roles: &[Role], scopes: &[Scope]) -> Result<Vec<RoleBinding>, Trouble> {
    let pairs: Vec<RoleBinding> = match scopes {
        [one] => roles
            .iter()
            .map(|role| RoleBinding {
                role: *role,
                scope: one.clone(),
            })
            .collect(),
        many if many.len() == roles.len() => roles
            .iter()
            .zip(many)
            .map(|(role, scope)| RoleBinding {
                role: *role,
                scope: scope.clone(),
            })
            .collect(),
        many => {
            return Err(Trouble::Usage(format!(
                "{} roles and {} scopes do not pair; give one --scope, or one for each --role",
                roles.len(),
                many.len()
            )));
        }
    };
    match pairs.iter().find(|binding| !binding.is_sensible()) {
        Some(binding) => Err(Trouble::Usage(format!(
            "the role {} cannot hold in {}",
            binding.role, binding.scope
        ))),
        None => Ok(pairs),
    }
}

async fn create(context: &Context, args: Create) -> Result<(), Trouble> {
    let bindings = bindings(&args.roles, &args.scopes)?;
    let expire_time = args
        .expires
        .map(|text| read_instant("--expires", &text))
        .transpose()?;
    // The file first: a secret that cannot be kept is lost.
    let file = SecretFile::create(args.secret_file.as_deref())?;
    let request = intake::CreateApiKeyRequest {
        display_name: args.name,
        bindings: bindings
            .iter()
            .map(proto::identity::binding_to_wire)
            .collect(),
        expire_time,
        request_id: args.request_id.unwrap_or_else(fresh_request_id),
        owner: args.owner.unwrap_or_default(),
    };
    let mut answer = context
        .session
        .keys()
        .create_api_key(request)
        .await?
        .into_inner();
    file.keep(&mut answer.secret)?;
    if context.format == Format::Json {
        return show::print_json(&show::json(
            "portreeve.intake.v1.CreateApiKeyResponse",
            &answer,
        )?);
    }
    made(context, answer.api_key, answer.secret)
}

async fn rotate(context: &Context, args: Rotate) -> Result<(), Trouble> {
    let overlap_seconds = u32::try_from(args.overlap.as_secs()).map_err(|_| {
        Trouble::Usage("--overlap: a key's secrets overlap for 30 days at most".to_owned())
    })?;
    let file = SecretFile::create(args.secret_file.as_deref())?;
    let request = intake::RotateApiKeyRequest {
        id: args.id,
        overlap_seconds,
        request_id: args.request_id.unwrap_or_else(fresh_request_id),
    };
    let mut answer = context
        .session
        .keys()
        .rotate_api_key(request)
        .await?
        .into_inner();
    file.keep(&mut answer.secret)?;
    if context.format == Format::Json {
        return show::print_json(&show::json(
            "portreeve.intake.v1.RotateApiKeyResponse",
            &answer,
        )?);
    }
    made(context, answer.api_key, answer.secret)
}

/// Shows a key, and its new secret unless that is in a file.
fn made(context: &Context, key: Option<intake::ApiKey>, secret: String) -> Result<(), Trouble> {
    show::one(
        context.format,
        &key.ok_or_else(empty_answer)?,
        context.now(),
    )?;
    if secret.is_empty() {
        return Ok(());
    }
    context.say("the secret, shown now and never again:");
    out::data(secret)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    #[test]
    fn roles_and_scopes_pair() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        let shared = bindings(&[Role::Analyst, Role::Auditor], &[scope("product:alma")]).unwrap();
        assert_eq!(shared.len(), 2);
        let each = bindings(
            &[Role::Analyst, Role::Cloud],
            &[scope("product:alma"), scope("team:cloud")],
        )
        .unwrap();
        assert_eq!(each[1].scope, scope("team:cloud"));
        let uneven = bindings(&[Role::Analyst], &[scope("all"), scope("product:alma")]);
        assert_eq!(uneven.unwrap_err().exit_code(), 2);
        let senseless = bindings(&[Role::Requester], &[scope("team:cloud")]);
        assert!(senseless.unwrap_err().to_string().contains("requester"));
    }
}
