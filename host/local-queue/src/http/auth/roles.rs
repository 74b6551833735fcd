//! Roles: what `assume:…` stands for.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::MethodFilter,
};
use queue::wire::timestamp;
use serde_json::{Value, json};

use super::{MAX_DESCRIPTION, refuse_two_stars};
use crate::{
    auth::{
        Access, Role, Roles,
        scopes::{Expression, satisfies},
    },
    clock,
    error::{ApiError, Failure},
    http::{
        App,
        call::{Answer, Call, call, paged},
        pages::{self, Page},
    },
    store::{Db, StoredRole},
    task::Fields,
};

pub(super) fn routes() -> Router<Arc<App>> {
    use MethodFilter as Method;
    let mut router = Router::new().route(
        "/roles/{roleId}",
        call(Method::GET, "role", show)
            .merge(call(Method::PUT, "createRole", create))
            .merge(call(Method::POST, "updateRole", update))
            .merge(call(Method::DELETE, "deleteRole", remove)),
    );
    for slash in ["", "/"] {
        router = router
            .route(&format!("/roles{slash}"), call(Method::GET, "listRoles", list))
            .route(
                &format!("/roles2{slash}"),
                paged(Method::GET, "listRoles2", list_pages),
            )
            .route(
                &format!("/roleids{slash}"),
                paged(Method::GET, "listRoleIds", list_ids),
            );
    }
    router
}

/// What a role is to be.
struct Wanted {
    description: String,
    scopes: Vec<String>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, ApiError> {
        let mut fields = Fields::of_body(body, &["description", "scopes"])?;
        let wanted = Self {
            description: fields.required_text("description", MAX_DESCRIPTION),
            scopes: fields.required_scopes("scopes"),
        };
        fields.check()?;
        refuse_two_stars(&wanted.scopes)?;
        Ok(wanted)
    }
}

fn to_json(access: &Access, stored: &StoredRole) -> Value {
    let Role { role_id, scopes } = &stored.role;
    json!({
        "roleId": role_id,
        "description": stored.description,
        "scopes": scopes,
        "created": timestamp::format(&stored.created),
        "lastModified": timestamp::format(&stored.last_modified),
        "expandedScopes": access.expand(&[format!("assume:{role_id}")]),
    })
}

fn answer(call: &Call, stored: &StoredRole) -> Response {
    Json(to_json(&call.app.clients.current(), stored)).into_response()
}

async fn list(call: Arc<Call>) -> Answer {
    call.authorize_scope("auth:list-roles".to_owned())?;
    let roles = call.app.store.run(|db| db.roles()).await?;
    let access = call.app.clients.current();
    let roles: Vec<Value> = roles.iter().map(|stored| to_json(&access, stored)).collect();
    Ok(Json(roles).into_response())
}

async fn list_pages(call: Arc<Call>) -> Answer {
    let access = call.app.clients.current();
    page_of_roles(&call, "roles", |stored| to_json(&access, stored)).await
}

async fn list_ids(call: Arc<Call>) -> Answer {
    page_of_roles(&call, "roleIds", |stored| json!(stored.role.role_id)).await
}

/// A page of the roles, all of them unless the caller wants fewer.
async fn page_of_roles(call: &Call, name: &str, show: impl Fn(&StoredRole) -> Value) -> Answer {
    call.authorize_scope("auth:list-roles".to_owned())?;
    let page = Page::of(call)?;
    let mut roles = call.app.store.run(|db| db.roles()).await?;
    roles.retain(|stored| stored.role.role_id > page.after);
    let limit = call.query("limit").map_or(u32::MAX, |_| page.limit);
    Ok(pages::answer(name, limit, roles, |stored| {
        let shown = show(&stored);
        (stored.role.role_id, shown)
    }))
}

async fn show(call: Arc<Call>) -> Answer {
    let role_id = call.param("roleId").to_owned();
    call.authorize_scope(format!("auth:get-role:{role_id}"))?;
    let found = call.app.store.run(move |db| db.role(&role_id)).await?;
    let stored = found.ok_or_else(|| ApiError::not_found("Role not found"))?;
    Ok(answer(&call, &stored))
}

async fn create(call: Arc<Call>) -> Answer {
    let Wanted {
        description,
        mut scopes,
    } = Wanted::read(call.input()?)?;
    let role_id = call.param("roleId").to_owned();
    let mut required = vec![format!("auth:create-role:{role_id}")];
    required.extend(scopes.iter().cloned());
    call.authorize(&Expression::all(required))?;
    scopes.sort_unstable();
    let now = clock::now();
    let stored = StoredRole {
        role: Role { role_id, scopes },
        description,
        created: now,
        last_modified: now,
    };
    let stored = call.app.store.run(move |db| found(db, stored)).await?;
    Ok(answer(&call, &stored))
}

/// Keeps a new role. The same one again changes nothing.
fn found(db: &Db<'_>, stored: StoredRole) -> Result<StoredRole, Failure> {
    let role_id = &stored.role.role_id;
    if let Some(existing) = db.role(role_id)? {
        if existing.description == stored.description && existing.role.scopes == stored.role.scopes {
            return Ok(existing);
        }
        return Err(Failure::Refused(ApiError::conflict(format!(
            "Role with roleId '{role_id}' already exists"
        ))));
    }
    save(db, &stored)?;
    Ok(stored)
}

async fn update(call: Arc<Call>) -> Answer {
    let wanted = Wanted::read(call.input()?)?;
    let in_store = Arc::clone(&call);
    let work = move |db: &Db<'_>| {
        let role_id = in_store.param("roleId");
        let mut stored = db
            .role(role_id)?
            .ok_or_else(|| ApiError::not_found(format!("Role with roleId '{role_id}' not found")))?;
        // What the role has led to already is nothing new.
        let former = in_store.app.clients.current().expand(&stored.role.scopes);
        let added = wanted.scopes.iter().filter(|scope| !satisfies(&former, scope));
        let update = format!("auth:update-role:{role_id}");
        in_store.authorize(&Expression::all(std::iter::once(update).chain(added.cloned())))?;
        stored.role.scopes = wanted.scopes;
        stored.description = wanted.description;
        stored.last_modified = clock::now();
        save(db, &stored)?;
        Ok(stored)
    };
    let stored = call.app.store.run(work).await?;
    Ok(answer(&call, &stored))
}

/// Keeps a role, if all roles together still make sense.
fn save(db: &Db<'_>, stored: &StoredRole) -> Result<(), Failure> {
    let others = db.roles()?;
    let others = others
        .iter()
        .map(|other| &other.role)
        .filter(|other| other.role_id != stored.role.role_id);
    Roles::compile(others.chain([&stored.role])).map_err(|error| ApiError::input(error.to_string()))?;
    db.save_role(stored)
}

async fn remove(call: Arc<Call>) -> Answer {
    let role_id = call.param("roleId").to_owned();
    call.authorize_scope(format!("auth:delete-role:{role_id}"))?;
    call.app.store.run(move |db| db.remove_role(&role_id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
