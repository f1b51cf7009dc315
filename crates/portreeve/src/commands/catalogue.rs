//! `portreeve institution|product|server|catalogue …`: what requests are judged against.
//!
//! Role: list, show and store single entries; `catalogue apply` stores a whole file.
//! Invariants: `put` replaces the version that it read just before (or `--etag`), so nobody's change is lost.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use proto::{
    intake::v1 as intake,
    types::v1::{Closing, Institution, Product, Server},
};
use tonic::Code;

use super::{Context, catalogue_file};
use crate::{
    client::{Page, empty_answer},
    show::{self, Format},
    trouble::Trouble,
};

/// How a firewall closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClosingWord {
    /// The device carries the deadline and closes by itself.
    CarriesDeadline,
    /// An agent closes and confirms.
    Agent,
    /// The cloud team closes and confirms.
    ByHand,
}

impl From<ClosingWord> for Closing {
    fn from(word: ClosingWord) -> Self {
        match word {
            ClosingWord::CarriesDeadline => Self::CarriesDeadline,
            ClosingWord::Agent => Self::Agent,
            ClosingWord::ByHand => Self::ByHand,
        }
    }
}

/// Institutions.
#[derive(Debug, Clone, Subcommand)]
pub enum InstitutionCommand {
    /// List them.
    #[command(after_help = "Example:\n  portreeve institution list")]
    List(Page),
    /// Show one.
    #[command(after_help = "Example:\n  portreeve institution show north")]
    Show {
        /// Its id.
        id: String,
    },
    /// Create or replace one.
    #[command(
        after_help = "Example:\n  portreeve institution put north --name 'North University' --time-zone Europe/London"
    )]
    Put {
        /// Its id: a-z, 0-9 and '-'.
        id: String,
        /// Its name.
        #[arg(long)]
        name: String,
        /// Zone of the IANA database in which its dates are read.
        #[arg(long)]
        time_zone: String,
        /// The version that you saw; without it the current one is read first.
        #[arg(long)]
        etag: Option<String>,
    },
}

/// Products and the teams that serve them.
#[derive(Debug, Clone, Subcommand)]
pub enum ProductCommand {
    /// List them.
    #[command(after_help = "Example:\n  portreeve product list")]
    List(Page),
    /// Show one.
    #[command(after_help = "Example:\n  portreeve product show alma")]
    Show {
        /// Its id.
        id: String,
    },
    /// Create or replace one.
    #[command(
        after_help = "Example:\n  portreeve product put alma --name Alma --support-team support-alma --cloud-team cloud --hosted"
    )]
    Put(Box<PutProduct>),
}

/// `product put`.
#[derive(Debug, Clone, Args)]
pub struct PutProduct {
    /// Its id: a-z, 0-9 and '-'.
    pub id: String,
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// The team whose queue its requests land in.
    #[arg(long)]
    pub support_team: String,
    /// The team that opens the firewall where a server names none.
    #[arg(long)]
    pub cloud_team: String,
    /// Runs in the vendor's cloud.
    #[arg(long)]
    pub hosted: bool,
    /// Runs at institutions.
    #[arg(long)]
    pub local: bool,
    /// Its own ports, such as tcp/443; may be repeated.
    #[arg(long = "service")]
    pub services: Vec<String>,
    /// The version that you saw; without it the current one is read first.
    #[arg(long)]
    pub etag: Option<String>,
}

/// Hosted servers of institutions.
#[derive(Debug, Clone, Subcommand)]
pub enum ServerCommand {
    /// List those of an institution.
    #[command(after_help = "Example:\n  portreeve server list --institution north")]
    List {
        /// Whose.
        #[arg(long)]
        institution: String,
        /// How much.
        #[command(flatten)]
        page: Page,
    },
    /// Show one.
    #[command(after_help = "Example:\n  portreeve server show alma-1 --institution north")]
    Show {
        /// Its id.
        id: String,
        /// Whose.
        #[arg(long)]
        institution: String,
    },
    /// Create or replace one.
    #[command(
        after_help = "Example:\n  portreeve server put alma-1 --institution north --product alma --host-name alma.north.example --closing by-hand"
    )]
    Put(Box<PutServer>),
}

/// `server put`.
#[derive(Debug, Clone, Args)]
pub struct PutServer {
    /// Its id: a-z, 0-9 and '-'.
    pub id: String,
    /// Whose.
    #[arg(long)]
    pub institution: String,
    /// What runs on it.
    #[arg(long)]
    pub product: String,
    /// Its names; may be repeated.
    #[arg(long = "host-name")]
    pub host_names: Vec<String>,
    /// Its addresses; may be repeated.
    #[arg(long = "address")]
    pub addresses: Vec<String>,
    /// The team of its firewall; without it the product's.
    #[arg(long, default_value = "")]
    pub cloud_team: String,
    /// How its firewall closes.
    #[arg(long, value_enum, default_value = "by-hand")]
    pub closing: ClosingWord,
    /// How long before a start or a changed end the device must know, in seconds; 0: the default.
    #[arg(long, default_value_t = 0)]
    pub lead_time_seconds: u32,
    /// The version that you saw; without it the current one is read first.
    #[arg(long)]
    pub etag: Option<String>,
}

/// The catalogue as a whole.
#[derive(Debug, Clone, Subcommand)]
pub enum CatalogueCommand {
    /// Store the institutions, products and servers of a file; what is the same stays.
    #[command(after_help = "Example:
  portreeve catalogue apply deploy/catalog/example.toml

The file is TOML with [[institution]], [[product]] and [[server]] tables; see deploy/catalog/example.toml and
deploy/demo/catalogue.toml. Up to 2,000 entries are stored in one step, all or none; larger files in several.")]
    Apply {
        /// The file; - reads standard input.
        file: PathBuf,
    },
}

/// Reads every page of a list.
macro_rules! pages {
    ($context:expr, $page:expr, $method:ident, $message:ident { $($field:ident: $value:expr),* }, $list:ident) => {{
        let mut message = intake::$message { page_size: 0, page_token: String::new(), $($field: $value),* };
        let mut found = Vec::new();
        while let Some(page_size) = $page.next_size(found.len()) {
            message.page_size = page_size;
            let answer = $context.session.catalogue().$method(message.clone()).await?.into_inner();
            found.extend(answer.$list);
            message.page_token = answer.next_page_token;
            if message.page_token.is_empty() {
                break;
            }
        }
        show::many($context.format, &found, $context.now())?;
        super::more(&message.page_token);
        Ok(())
    }};
}

/// The version to replace: the given one, or that of what is there, or none.
fn version<T>(
    given: Option<String>,
    read: Result<tonic::Response<T>, tonic::Status>,
    etag: impl Fn(T) -> Option<String>,
) -> Result<String, Trouble> {
    match (given, read) {
        (Some(etag), _) => Ok(etag),
        (None, Ok(answer)) => Ok(etag(answer.into_inner()).unwrap_or_default()),
        (None, Err(status)) if status.code() == Code::NotFound => Ok(String::new()),
        (None, Err(status)) => Err(status.into()),
    }
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn institution(context: &Context, command: InstitutionCommand) -> Result<(), Trouble> {
    let mut client = context.session.catalogue();
    let institution = match command {
        InstitutionCommand::List(page) => {
            return pages!(
                context,
                page,
                list_institutions,
                ListInstitutionsRequest {},
                institutions
            );
        }
        InstitutionCommand::Show { id } => {
            client
                .get_institution(intake::GetInstitutionRequest { id })
                .await?
                .into_inner()
                .institution
        }
        InstitutionCommand::Put {
            id,
            name,
            time_zone,
            etag,
        } => {
            let read = client
                .get_institution(intake::GetInstitutionRequest { id: id.clone() })
                .await;
            let etag = version(etag, read, |answer| {
                answer.institution.map(|known| known.etag)
            })?;
            let institution = Institution {
                id: id.clone(),
                display_name: name,
                time_zone,
                etag: String::new(),
            };
            let request = intake::PutInstitutionRequest {
                id,
                institution: Some(institution),
                etag,
            };
            client
                .put_institution(request)
                .await?
                .into_inner()
                .institution
        }
    };
    show::one(
        context.format,
        &institution.ok_or_else(empty_answer)?,
        context.now(),
    )
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn product(context: &Context, command: ProductCommand) -> Result<(), Trouble> {
    let mut client = context.session.catalogue();
    let product = match command {
        ProductCommand::List(page) => {
            return pages!(
                context,
                page,
                list_products,
                ListProductsRequest {},
                products
            );
        }
        ProductCommand::Show { id } => {
            client
                .get_product(intake::GetProductRequest { id })
                .await?
                .into_inner()
                .product
        }
        ProductCommand::Put(put) => {
            let id = put.id;
            let read = client
                .get_product(intake::GetProductRequest { id: id.clone() })
                .await;
            let etag = version(put.etag, read, |answer| {
                answer.product.map(|known| known.etag)
            })?;
            let product = Product {
                id: id.clone(),
                display_name: put.name,
                support_team: put.support_team,
                cloud_team: put.cloud_team,
                hosted: put.hosted,
                local: put.local,
                services: put.services,
                etag: String::new(),
            };
            let request = intake::PutProductRequest {
                id,
                product: Some(product),
                etag,
            };
            client.put_product(request).await?.into_inner().product
        }
    };
    show::one(
        context.format,
        &product.ok_or_else(empty_answer)?,
        context.now(),
    )
}

/// Runs the command.
///
/// # Errors
/// As the gateway answers.
pub async fn server(context: &Context, command: ServerCommand) -> Result<(), Trouble> {
    let mut client = context.session.catalogue();
    let server = match command {
        ServerCommand::List { institution, page } => {
            return pages!(
                context,
                page,
                list_servers,
                ListServersRequest {
                    institution: institution
                },
                servers
            );
        }
        ServerCommand::Show { id, institution } => {
            client
                .get_server(intake::GetServerRequest { institution, id })
                .await?
                .into_inner()
                .server
        }
        ServerCommand::Put(put) => {
            let (id, institution) = (put.id, put.institution);
            let get = intake::GetServerRequest {
                institution: institution.clone(),
                id: id.clone(),
            };
            let read = client.get_server(get).await;
            let etag = version(put.etag, read, |answer| {
                answer.server.map(|known| known.etag)
            })?;
            let server = Server {
                id: id.clone(),
                institution: institution.clone(),
                product: put.product,
                host_names: put.host_names,
                addresses: put.addresses,
                cloud_team: put.cloud_team,
                closing: Closing::from(put.closing).into(),
                lead_time_seconds: put.lead_time_seconds,
                etag: String::new(),
            };
            let request = intake::PutServerRequest {
                institution,
                id,
                server: Some(server),
                etag,
            };
            client.put_server(request).await?.into_inner().server
        }
    };
    show::one(
        context.format,
        &server.ok_or_else(empty_answer)?,
        context.now(),
    )
}

/// Runs the command.
///
/// # Errors
/// [`Trouble::Usage`] for a file that cannot be read, else as the gateway answers.
pub async fn catalogue(context: &Context, command: CatalogueCommand) -> Result<(), Trouble> {
    let CatalogueCommand::Apply { file } = command;
    let steps = catalogue_file::read(&file)?;
    let mut sum = intake::ApplyCatalogueResponse::default();
    for step in steps {
        let answer = context
            .session
            .catalogue()
            .apply_catalogue(step)
            .await?
            .into_inner();
        sum.created += answer.created;
        sum.updated += answer.updated;
        sum.unchanged += answer.unchanged;
    }
    match context.format {
        Format::Json => show::print_json(&serde_json::json!({
            "created": sum.created, "updated": sum.updated, "unchanged": sum.unchanged
        })),
        Format::Table => crate::out::data(format!(
            "{} created, {} updated, {} unchanged",
            sum.created, sum.updated, sum.unchanged
        )),
    }
}
