//! Which call a request is. What it does is the business of the world.

use serde_json::Value;

use super::{
    fields,
    query::Listing,
    reply::{Refusal, Reply},
    request::Request,
    settings::Settings,
    user::shown,
    world::World,
};

/// Carries a request out.
pub(super) fn answer(world: &mut World, settings: &Settings, request: &Request) -> Reply {
    carry_out(world, settings, request).unwrap_or_else(Reply::from)
}

fn carry_out(world: &mut World, settings: &Settings, request: &Request) -> Result<Reply, Refusal> {
    if request.token.as_ref() != Some(&settings.access_token) {
        return Err(Refusal::unauthorized());
    }
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let body = || fields::object(&request.body);
    let now = world.now();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["v3", "licenses"]) => {
            Ok(Reply::json(201, world.create_license(body()?, settings)?))
        }
        ("GET", ["v3", "licenses"]) => {
            let listing = Listing::read::<super::License>(&request.query, settings)?;
            Ok(Reply::json(200, &listing.pick(world.licenses.list(), now)))
        }
        ("GET", ["v3", "licenses", id]) => Ok(Reply::json(200, world.license(id)?)),
        ("PATCH", ["v3", "licenses", id]) => {
            Ok(Reply::json(200, world.change_license(id, body()?, settings)?))
        }
        ("DELETE", ["v3", "licenses", id]) => {
            world.delete_license(id)?;
            Ok(Reply::no_content())
        }
        ("POST", ["v3", "licenses", id, "renew"]) => {
            Ok(Reply::json(200, world.renew_license(id, &request.body, settings)?))
        }
        ("PATCH", ["v3", "licenses", id, "expires-at"]) => {
            Ok(Reply::json(200, world.end_license_at(id, body()?, settings)?))
        }
        ("POST", ["v3", "users"]) => {
            let user = world.create_user(body()?, settings)?;
            Ok(Reply::json(201, &shown(user, settings)))
        }
        ("GET", ["v3", "users"]) => {
            let listing = Listing::read::<super::User>(&request.query, settings)?;
            let users = listing.pick(world.users.list(), now);
            let users: Vec<Value> = users.into_iter().map(|user| shown(user, settings)).collect();
            Ok(Reply::json(200, &users))
        }
        ("GET", ["v3", "users", id]) => Ok(Reply::json(200, &shown(world.user(id)?, settings))),
        ("PATCH", ["v3", "users", id]) => {
            let user = world.change_user(id, body()?, settings)?;
            Ok(Reply::json(200, &shown(user, settings)))
        }
        ("GET", ["v3", "license-templates", id]) => {
            let unknown = || Refusal::not_found(format!("license template {id} does not exist"));
            Ok(Reply::json(200, world.templates.get(*id).ok_or_else(unknown)?))
        }
        (method, _) => {
            let path = request.segments.join("/");
            Err(Refusal::not_found(format!("no call {method} /{path}")))
        }
    }
}
