//! `portreeve webhook …`: events posted to a URL, signed.
//!
//! Role: make, look after and test endpoints; see and repeat deliveries.
//! Invariants: a signing secret is printed once, when it is made, on standard output alone, or kept in a private file.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use proto::notification::v1::{self as notification, DeliveryState};

use super::{Context, FilterArgs};
use crate::{
    client::{Page, empty_answer, fresh_request_id},
    out,
    private_file::SecretFile,
    show::{self, Format},
    trouble::Trouble,
};

/// Events posted to a URL, signed.
#[derive(Debug, Clone, Subcommand)]
pub enum WebhookCommand {
    /// Make an endpoint; shows its signing secret once.
    #[command(
        after_help = "Example:\n  portreeve webhook create --name cloud --url https://hooks.cloud.example/portreeve --type 'grant.*'"
    )]
    Create {
        /// A name for people.
        #[arg(long)]
        name: String,
        /// Where to post.
        #[arg(long)]
        url: String,
        /// Which events.
        #[command(flatten)]
        filter: FilterArgs,
        /// Write the signing secret into this new file (mode 0600) instead of showing it.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
        /// Idempotency key: the same one again repeats nothing.
        #[arg(long, value_name = "KEY")]
        request_id: Option<String>,
    },
    /// List yours.
    #[command(after_help = "Example:\n  portreeve webhook list")]
    List,
    /// Show one.
    #[command(
        after_help = "Example:\n  portreeve webhook show 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Show(One),
    /// Delete one; what waits is dropped.
    #[command(
        after_help = "Example:\n  portreeve webhook delete 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Delete(One),
    /// Post a test event now; exits with 1 when it was not received.
    #[command(
        after_help = "Example:\n  portreeve webhook test 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Test(One),
    /// Make a new signing secret; the old one signs beside it for 24 hours.
    #[command(
        after_help = "Example:\n  portreeve webhook rotate 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Rotate {
        /// Which.
        #[command(flatten)]
        one: One,
        /// Write the new secret into this new file (mode 0600) instead of showing it.
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// List deliveries, newest first.
    #[command(
        after_help = "Example:\n  portreeve webhook deliveries 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 --state dead"
    )]
    Deliveries {
        /// Which.
        #[command(flatten)]
        one: One,
        /// In this state: pending, delivered or dead.
        #[arg(long, value_parser = read_state)]
        state: Option<DeliveryState>,
        /// How much.
        #[command(flatten)]
        page: Page,
    },
    /// Deliver again, now, with the same event id.
    #[command(
        after_help = "Example:\n  portreeve webhook redeliver 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 019305b8-0000-7000-8000-000000000000"
    )]
    Redeliver {
        /// Which.
        #[command(flatten)]
        one: One,
        /// The delivery's UUID.
        #[arg(value_name = "DELIVERY")]
        delivery: String,
    },
}

/// One endpoint.
#[derive(Debug, Clone, Args)]
pub struct One {
    /// The endpoint's UUID.
    #[arg(value_name = "WEBHOOK")]
    pub id: String,
}

fn read_state(text: &str) -> Result<DeliveryState, String> {
    show::parse_enum("DELIVERY_STATE_", text, DeliveryState::from_str_name)
}

/// Shows a secret that no file keeps.
fn show_secret(context: &Context, what: &str, secret: String) -> Result<(), Trouble> {
    if secret.is_empty() {
        return Ok(());
    }
    context.say(format!("{what}, shown now and never again:"));
    out::data(secret)
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: WebhookCommand) -> Result<(), Trouble> {
    let mut client = context.session.notification();
    match command {
        WebhookCommand::Create {
            name,
            url,
            filter,
            secret_file,
            request_id,
        } => {
            // The file first: a secret that cannot be kept is lost.
            let file = SecretFile::create(secret_file.as_deref())?;
            let request = notification::CreateWebhookEndpointRequest {
                display_name: name,
                url,
                filter: Some(filter.filter()),
                request_id: request_id.unwrap_or_else(fresh_request_id),
            };
            let mut answer = client.create_webhook_endpoint(request).await?.into_inner();
            file.keep(&mut answer.secret)?;
            if context.format == Format::Json {
                return show::print_json(&show::json(
                    "portreeve.notification.v1.CreateWebhookEndpointResponse",
                    &answer,
                )?);
            }
            show::one(
                context.format,
                &answer.webhook_endpoint.ok_or_else(empty_answer)?,
                context.now(),
            )?;
            show_secret(context, "the signing secret", answer.secret)
        }
        WebhookCommand::List => {
            let request = notification::ListWebhookEndpointsRequest {};
            let found = client
                .list_webhook_endpoints(request)
                .await?
                .into_inner()
                .webhook_endpoints;
            show::many(context.format, &found, context.now())
        }
        WebhookCommand::Show(One { id }) => {
            let request = notification::GetWebhookEndpointRequest { id };
            let found = client
                .get_webhook_endpoint(request)
                .await?
                .into_inner()
                .webhook_endpoint;
            show::one(
                context.format,
                &found.ok_or_else(empty_answer)?,
                context.now(),
            )
        }
        WebhookCommand::Delete(One { id }) => {
            client
                .delete_webhook_endpoint(notification::DeleteWebhookEndpointRequest { id })
                .await?;
            context.say("deleted");
            Ok(())
        }
        WebhookCommand::Test(One { id }) => {
            let request = notification::TestWebhookEndpointRequest { id };
            let delivery = client
                .test_webhook_endpoint(request)
                .await?
                .into_inner()
                .delivery;
            let delivery = delivery.ok_or_else(empty_answer)?;
            show::one(context.format, &delivery, context.now())?;
            match delivery.state() {
                DeliveryState::Delivered => Ok(()),
                _ => Err(Trouble::Local(
                    "the endpoint did not receive the test event".into(),
                )),
            }
        }
        WebhookCommand::Rotate { one, secret_file } => {
            let file = SecretFile::create(secret_file.as_deref())?;
            let request = notification::RotateWebhookSecretRequest {
                id: one.id,
                request_id: fresh_request_id(),
            };
            let mut answer = client.rotate_webhook_secret(request).await?.into_inner();
            file.keep(&mut answer.secret)?;
            if context.format == Format::Json {
                return show::print_json(&show::json(
                    "portreeve.notification.v1.RotateWebhookSecretResponse",
                    &answer,
                )?);
            }
            show_secret(context, "the new signing secret", answer.secret)
        }
        WebhookCommand::Deliveries { one, state, page } => {
            let mut request = notification::ListDeliveriesRequest {
                webhook_endpoint: one.id,
                state: state.unwrap_or_default().into(),
                ..notification::ListDeliveriesRequest::default()
            };
            let mut found = Vec::new();
            while let Some(page_size) = page.next_size(found.len()) {
                request.page_size = page_size;
                let answer = client.list_deliveries(request.clone()).await?.into_inner();
                found.extend(answer.deliveries);
                request.page_token = answer.next_page_token;
                if request.page_token.is_empty() {
                    break;
                }
            }
            show::many(context.format, &found, context.now())?;
            super::more(&request.page_token);
            Ok(())
        }
        WebhookCommand::Redeliver { one, delivery } => {
            let request = notification::RedeliverDeliveryRequest {
                webhook_endpoint: one.id,
                id: delivery,
            };
            let found = client
                .redeliver_delivery(request)
                .await?
                .into_inner()
                .delivery;
            show::one(
                context.format,
                &found.ok_or_else(empty_answer)?,
                context.now(),
            )
        }
    }
}
