//! Writing the catalogue and the keys: single rows, stored whole; the same for both databases.
//!
//! Role: a macro, as in [`super::reads`]. Invariant: a version that is not newer than what is stored changes nothing:
//! whoever read the older one was overtaken. Failure story: being overtaken is `Duplicate`.

macro_rules! implement_catalogue {
    ($transaction:ident) => {
        impl $transaction {
            pub(super) async fn write_catalogue(
                &mut self,
                changes: &Changes,
            ) -> Result<(), StoreError> {
                let newer = |name: String, changed: u64| {
                    if changed == 1 {
                        Ok(())
                    } else {
                        Err(StoreError::Duplicate(name))
                    }
                };
                for stored in &changes.institutions {
                    let id = stored.value.id.as_str();
                    let done = sqlx::query(sql!("store_institution"))
                        .bind(id)
                        .bind(rows::signed(stored.version))
                        .bind(rows::json(&stored.value)?)
                        .execute(&mut *self.inner)
                        .await?;
                    newer(format!("institution/{id}"), done.rows_affected())?;
                }
                for stored in &changes.products {
                    let id = stored.value.id.as_str();
                    let done = sqlx::query(sql!("store_product"))
                        .bind(id)
                        .bind(rows::signed(stored.version))
                        .bind(stored.value.support_team.as_str())
                        .bind(stored.value.cloud_team.as_str())
                        .bind(rows::json(&stored.value)?)
                        .execute(&mut *self.inner)
                        .await?;
                    newer(format!("product/{id}"), done.rows_affected())?;
                }
                for stored in &changes.servers {
                    let (institution, id) =
                        (stored.value.institution.as_str(), stored.value.id.as_str());
                    let done = sqlx::query(sql!("store_server"))
                        .bind(institution)
                        .bind(id)
                        .bind(rows::signed(stored.version))
                        .bind(stored.value.cloud_team.as_ref().map(|team| team.as_str()))
                        .bind(rows::json(&stored.value)?)
                        .execute(&mut *self.inner)
                        .await?;
                    newer(format!("server/{institution}/{id}"), done.rows_affected())?;
                    sqlx::query(sql!("forget_server_destinations"))
                        .bind(institution)
                        .bind(id)
                        .execute(&mut *self.inner)
                        .await?;
                    for destination in stored.value.destinations() {
                        sqlx::query(sql!("store_server_destination"))
                            .bind(institution)
                            .bind(id)
                            .bind(destination)
                            .execute(&mut *self.inner)
                            .await?;
                    }
                }
                for key in &changes.keys {
                    sqlx::query(sql!("store_key"))
                        .bind(key.id.0)
                        .bind(key.secret_sha256.as_slice())
                        .bind(
                            key.previous
                                .as_ref()
                                .map(|former| former.secret_sha256.to_vec()),
                        )
                        .bind(key.previous.as_ref().map(|former| former.until.micros()))
                        .bind(key.expires_at.map(|at| at.micros()))
                        .bind(key.revoked_at.map(|at| at.micros()))
                        .bind(rows::key_body(key)?)
                        .execute(&mut *self.inner)
                        .await?;
                }
                Ok(())
            }
        }
    };
}

pub(super) use implement_catalogue;
