//! The seven services of intake, put together.
//!
//! Role: one list of what is served, for the listener and for health. The identity layer goes around it in
//! [`crate::start`]. Failure story: none.

use proto::intake::v1::{
    catalogue_service_server::{self, CatalogueServiceServer},
    grant_service_server::{self, GrantServiceServer},
    history_service_server::{self, HistoryServiceServer},
    key_service_server::{self, KeyServiceServer},
    ledger_service_server::{self, LedgerServiceServer},
    link_service_server::{self, LinkServiceServer},
    person_service_server::{self, PersonServiceServer},
    request_service_server::{self, RequestServiceServer},
};
use tonic::service::Routes;

use super::{
    catalogue::Catalogue, grants::Grants, history::HistoryRpc, keys::Keys, ledger::LedgerRpc,
    links::LinkRpc, persons::Persons, requests::Requests,
};
use crate::operations::Intake;

/// Their full names.
pub(crate) const SERVICES: [&str; 8] = [
    request_service_server::SERVICE_NAME,
    grant_service_server::SERVICE_NAME,
    catalogue_service_server::SERVICE_NAME,
    key_service_server::SERVICE_NAME,
    ledger_service_server::SERVICE_NAME,
    history_service_server::SERVICE_NAME,
    link_service_server::SERVICE_NAME,
    person_service_server::SERVICE_NAME,
];

/// Them, without the identity layer.
pub(crate) fn routes(intake: &Intake) -> Routes {
    Routes::new(RequestServiceServer::new(Requests(intake.clone())))
        .add_service(GrantServiceServer::new(Grants(intake.clone())))
        .add_service(CatalogueServiceServer::new(Catalogue(intake.clone())))
        .add_service(KeyServiceServer::new(Keys(intake.clone())))
        .add_service(LedgerServiceServer::new(LedgerRpc(intake.clone())))
        .add_service(HistoryServiceServer::new(HistoryRpc(intake.clone())))
        .add_service(LinkServiceServer::new(LinkRpc(intake.clone())))
        .add_service(PersonServiceServer::new(Persons(intake.clone())))
}
