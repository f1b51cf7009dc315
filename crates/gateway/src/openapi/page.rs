//! `/docs`: every operation on one plain page, with nothing fetched from elsewhere.

use std::fmt::Write as _;

use super::operation_id;
use crate::routes::Routes;

/// The page.
pub(crate) fn page(routes: &Routes) -> String {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Portreeve: operations</title><style>\
         body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}\
         table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;\
         border-bottom:1px solid #ccc;vertical-align:top}code{font-size:.9em;overflow-wrap:anywhere}\
         @media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}}</style>\
         <h1>Portreeve: operations</h1>\
         <p>The whole contract is in <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1), that of the \
         events in <a href=\"/asyncapi.json\">asyncapi.json</a> (AsyncAPI 3.0). Every operation \
         is also a gRPC method on this port. Errors are explained under <a href=\"/errors\">/errors</a>.</p>\
         <table><thead><tr><th>Operation<th>Request<th>Permission</thead><tbody>",
    );
    for operation in &routes.operations {
        let permission = if operation.public {
            "none needed"
        } else {
            operation.action.as_str()
        };
        // Writing to a string cannot fail.
        let _ = write!(
            html,
            "<tr id=\"{}\"><td>{}<td><code>{} {}</code><td><code>{}</code>",
            escape(&operation_id(operation)),
            escape(&operation.summary),
            operation.http_method,
            escape(&operation.template),
            escape(permission),
        );
    }
    html.push_str("</tbody></table></html>\n");
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
