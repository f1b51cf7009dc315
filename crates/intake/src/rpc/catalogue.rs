//! The thin edge of the catalogue operations: parse, call, encode.
//!
//! Failure story: every malformed field of every row is named at once, under `CATALOGUE_INVALID`.

use domain::{
    access::Action,
    catalogue::{Institution, Product, Server},
    id::IdError,
};
use proto::{
    convert,
    error::{Failure, Violation},
    intake::v1::{self as wire, catalogue_service_server::CatalogueService},
    types::v1 as types,
};
use tonic::{Request, Response, Status};

use super::{caller, too_many_rows};
use crate::{
    operations::{
        Intake,
        catalogue::{Batch, ListPage, MAX_ROWS, invalid},
        paging,
    },
    store::Versioned,
};

/// Serves `portreeve.intake.v1.CatalogueService`.
#[derive(Clone)]
pub(crate) struct Catalogue(pub(crate) Intake);

fn present_institution(stored: &Versioned<Institution>) -> types::Institution {
    convert::institution_to_wire(&stored.value, stored.version)
}

fn present_product(stored: &Versioned<Product>) -> types::Product {
    convert::product_to_wire(&stored.value, stored.version)
}

fn present_server(stored: &Versioned<Server>) -> types::Server {
    convert::server_to_wire(&stored.value, stored.version)
}

/// An id in a path.
fn id<T: std::str::FromStr<Err = IdError>>(field: &str, text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|error: IdError| Failure::field(field, error.to_string()))
}

/// The wrong fields of the row at `place`.
fn at(place: &str, violations: Vec<Violation>) -> impl Iterator<Item = Violation> {
    violations.into_iter().map(move |violation| Violation {
        field: format!("{place}.{}", violation.field),
        code: "CATALOGUE_INVALID".into(),
        detail: violation.detail,
    })
}

/// A name that the path gives and the row may repeat.
fn take_from_path(place: &str, path: &str, row: &mut String) -> Result<(), Failure> {
    if row.is_empty() {
        path.clone_into(row);
    }
    if row == path {
        return Ok(());
    }
    let detail = format!("the path says '{path}'; leave it out or write the same");
    Err(invalid(vec![Violation {
        field: place.into(),
        code: "CATALOGUE_INVALID".into(),
        detail,
    }]))
}

/// Every row of a list, or every wrong field of the list.
fn read_rows<M, R>(
    list: &str,
    messages: &[M],
    read: impl Fn(&M) -> Result<R, Vec<Violation>>,
    wrong: &mut Vec<Violation>,
) -> Vec<R> {
    let mut rows = Vec::with_capacity(messages.len());
    for (index, message) in messages.iter().enumerate() {
        match read(message) {
            Ok(row) => rows.push(row),
            Err(violations) => wrong.extend(at(&format!("{list}[{index}]"), violations)),
        }
    }
    rows
}

impl Catalogue {
    /// The token of the next page; empty when this is the last.
    fn next<T>(&self, page: &ListPage<T>, bound: &paging::Binding) -> String {
        page.next
            .as_deref()
            .map(|id| self.0.pages.seal_text(id, bound))
            .unwrap_or_default()
    }
}

/// Reads the place in a list from its message, and binds the token to what is left of it.
macro_rules! list_call {
    ($self:ident, $request:ident, $action:expr) => {{
        let caller = caller(&$request)?;
        $self.0.admit(&caller, $action)?;
        let mut message = $request.into_inner();
        let size = paging::size(std::mem::take(&mut message.page_size));
        let token = std::mem::take(&mut message.page_token);
        let bound = paging::binding(&caller.id, &message);
        let after = $self.0.pages.open_text(&token, &bound)?;
        (caller, message, size, bound, after)
    }};
}

/// Reads the row of a message that stores one.
macro_rules! put_call {
    ($self:ident, $request:ident, $row:ident, $from_wire:path, [$($path:ident),*]) => {{
        let caller = caller(&$request)?;
        $self.0.admit(&caller, Action::CatalogueWrite)?;
        let message = $request.into_inner();
        let place = stringify!($row);
        let mut row = message.$row.ok_or_else(|| {
            invalid(vec![Violation { field: place.into(), code: "CATALOGUE_INVALID".into(), detail: "send it".into() }])
        })?;
        $(take_from_path(&format!("{place}.{}", stringify!($path)), &message.$path, &mut row.$path)?;)*
        let row = $from_wire(&row).map_err(|wrong| invalid(at(place, wrong).collect()))?;
        (caller, row, message.etag)
    }};
}

#[tonic::async_trait]
impl CatalogueService for Catalogue {
    async fn get_institution(
        &self,
        request: Request<wire::GetInstitutionRequest>,
    ) -> Result<Response<wire::GetInstitutionResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::CatalogueRead)?;
        let stored = self
            .0
            .get_institution(&caller, &id("id", &request.get_ref().id)?)
            .await?;
        Ok(Response::new(wire::GetInstitutionResponse {
            institution: Some(present_institution(&stored)),
        }))
    }

    async fn list_institutions(
        &self,
        request: Request<wire::ListInstitutionsRequest>,
    ) -> Result<Response<wire::ListInstitutionsResponse>, Status> {
        let (caller, _, size, bound, after) = list_call!(self, request, Action::CatalogueRead);
        let page = self
            .0
            .list_institutions(&caller, after.as_deref(), size)
            .await?;
        Ok(Response::new(wire::ListInstitutionsResponse {
            institutions: page.rows.iter().map(present_institution).collect(),
            next_page_token: self.next(&page, &bound),
        }))
    }

    async fn put_institution(
        &self,
        request: Request<wire::PutInstitutionRequest>,
    ) -> Result<Response<wire::PutInstitutionResponse>, Status> {
        let (caller, row, etag) = put_call!(
            self,
            request,
            institution,
            convert::institution_from_wire,
            [id]
        );
        let stored = self.0.put_institution(&caller, row, etag).await?;
        Ok(Response::new(wire::PutInstitutionResponse {
            institution: Some(present_institution(&stored)),
        }))
    }

    async fn get_product(
        &self,
        request: Request<wire::GetProductRequest>,
    ) -> Result<Response<wire::GetProductResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::ProductRead)?;
        let stored = self
            .0
            .get_product(&caller, &id("id", &request.get_ref().id)?)
            .await?;
        Ok(Response::new(wire::GetProductResponse {
            product: Some(present_product(&stored)),
        }))
    }

    async fn list_products(
        &self,
        request: Request<wire::ListProductsRequest>,
    ) -> Result<Response<wire::ListProductsResponse>, Status> {
        let (caller, _, size, bound, after) = list_call!(self, request, Action::ProductRead);
        let page = self
            .0
            .list_products(&caller, after.as_deref(), size)
            .await?;
        Ok(Response::new(wire::ListProductsResponse {
            products: page.rows.iter().map(present_product).collect(),
            next_page_token: self.next(&page, &bound),
        }))
    }

    async fn put_product(
        &self,
        request: Request<wire::PutProductRequest>,
    ) -> Result<Response<wire::PutProductResponse>, Status> {
        let (caller, row, etag) =
            put_call!(self, request, product, convert::product_from_wire, [id]);
        let stored = self.0.put_product(&caller, row, etag).await?;
        Ok(Response::new(wire::PutProductResponse {
            product: Some(present_product(&stored)),
        }))
    }

    async fn get_server(
        &self,
        request: Request<wire::GetServerRequest>,
    ) -> Result<Response<wire::GetServerResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::CatalogueRead)?;
        let message = request.get_ref();
        let institution = id("institution", &message.institution)?;
        let stored = self
            .0
            .get_server(&caller, &institution, &id("id", &message.id)?)
            .await?;
        Ok(Response::new(wire::GetServerResponse {
            server: Some(present_server(&stored)),
        }))
    }

    async fn list_servers(
        &self,
        request: Request<wire::ListServersRequest>,
    ) -> Result<Response<wire::ListServersResponse>, Status> {
        let (caller, message, size, bound, after) =
            list_call!(self, request, Action::CatalogueRead);
        let institution = id("institution", &message.institution)?;
        let page = self
            .0
            .list_servers(&caller, &institution, after.as_deref(), size)
            .await?;
        Ok(Response::new(wire::ListServersResponse {
            servers: page.rows.iter().map(present_server).collect(),
            next_page_token: self.next(&page, &bound),
        }))
    }

    async fn put_server(
        &self,
        request: Request<wire::PutServerRequest>,
    ) -> Result<Response<wire::PutServerResponse>, Status> {
        let (caller, row, etag) = put_call!(
            self,
            request,
            server,
            convert::server_from_wire,
            [institution, id]
        );
        let stored = self.0.put_server(&caller, row, etag).await?;
        Ok(Response::new(wire::PutServerResponse {
            server: Some(present_server(&stored)),
        }))
    }

    async fn apply_catalogue(
        &self,
        request: Request<wire::ApplyCatalogueRequest>,
    ) -> Result<Response<wire::ApplyCatalogueResponse>, Status> {
        let caller = caller(&request)?;
        self.0.admit(&caller, Action::CatalogueWrite)?;
        let message = request.into_inner();
        if message.institutions.len() + message.products.len() + message.servers.len() > MAX_ROWS {
            return Err(too_many_rows(MAX_ROWS).into());
        }
        let mut wrong = Vec::new();
        let batch = Batch {
            institutions: read_rows(
                "institutions",
                &message.institutions,
                convert::institution_from_wire,
                &mut wrong,
            ),
            products: read_rows(
                "products",
                &message.products,
                convert::product_from_wire,
                &mut wrong,
            ),
            servers: read_rows(
                "servers",
                &message.servers,
                convert::server_from_wire,
                &mut wrong,
            ),
        };
        if !wrong.is_empty() {
            return Err(invalid(wrong).into());
        }
        let applied = self.0.apply_catalogue(&caller, batch).await?;
        Ok(Response::new(wire::ApplyCatalogueResponse {
            created: applied.created,
            updated: applied.updated,
            unchanged: applied.unchanged,
        }))
    }
}
