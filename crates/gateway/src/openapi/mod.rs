//! stub
use crate::routes::Routes;
pub fn openapi() -> Result<serde_json::Value, crate::ContractError> {
    Ok(document(&Routes::build(proto::descriptors())?))
}
pub(crate) fn document(_routes: &Routes) -> serde_json::Value {
    serde_json::Value::Null
}
pub(crate) fn page(_routes: &Routes) -> String {
    String::new()
}
