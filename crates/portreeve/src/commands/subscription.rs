//! `portreeve subscription …`: durable, named places in the feed.
//!
//! Role: make, list, acknowledge, delete. Reading from one is `events tail --subscription`.

use clap::Subcommand;
use proto::notification::v1 as notification;

use super::{Context, FilterArgs};
use crate::{client::empty_answer, show, trouble::Trouble};

/// Durable, named places in the feed.
#[derive(Debug, Clone, Subcommand)]
pub enum SubscriptionCommand {
    /// Make one, or find the one with the same name and filter.
    #[command(
        after_help = "Example:\n  portreeve subscription create --name firewall-sync --type 'grant.*' --from now"
    )]
    Create {
        /// A name; unique among yours.
        #[arg(long)]
        name: String,
        /// Where it begins: a cursor, 'start' or 'now'.
        #[arg(
            long,
            default_value = "start",
            value_name = "PLACE",
            allow_hyphen_values = true
        )]
        from: String,
        /// Which events.
        #[command(flatten)]
        filter: FilterArgs,
    },
    /// List yours.
    #[command(after_help = "Example:\n  portreeve subscription list")]
    List,
    /// Say that everything up to a cursor is done.
    #[command(
        after_help = "Example:\n  portreeve subscription acknowledge 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11 --cursor q83v…"
    )]
    Acknowledge {
        /// The subscription's UUID.
        #[arg(value_name = "SUBSCRIPTION")]
        id: String,
        /// Up to here.
        #[arg(long, allow_hyphen_values = true)]
        cursor: String,
    },
    /// Delete one.
    #[command(
        after_help = "Example:\n  portreeve subscription delete 019305b7-5a4e-7c3e-8a55-0e0b3f6f1c11"
    )]
    Delete {
        /// The subscription's UUID.
        #[arg(value_name = "SUBSCRIPTION")]
        id: String,
    },
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn run(context: &Context, command: SubscriptionCommand) -> Result<(), Trouble> {
    let mut client = context.session.notification();
    let subscription = match command {
        SubscriptionCommand::Create { name, from, filter } => {
            let request = notification::CreateSubscriptionRequest {
                display_name: name,
                filter: Some(filter.filter()),
                cursor: if from == "start" { String::new() } else { from },
            };
            client
                .create_subscription(request)
                .await?
                .into_inner()
                .subscription
        }
        SubscriptionCommand::List => {
            let request = notification::ListSubscriptionsRequest {};
            let found = client
                .list_subscriptions(request)
                .await?
                .into_inner()
                .subscriptions;
            return show::many(context.format, &found, context.now());
        }
        SubscriptionCommand::Acknowledge { id, cursor } => {
            let request = notification::AcknowledgeEventsRequest { id, cursor };
            client
                .acknowledge_events(request)
                .await?
                .into_inner()
                .subscription
        }
        SubscriptionCommand::Delete { id } => {
            client
                .delete_subscription(notification::DeleteSubscriptionRequest { id })
                .await?;
            context.say("deleted");
            return Ok(());
        }
    };
    show::one(
        context.format,
        &subscription.ok_or_else(empty_answer)?,
        context.now(),
    )
}
