//! What the user calls do.

use serde_json::Value;

use super::{
    fields::{self, Body},
    license::LicenseUser,
    metadata,
    reply::Refusal,
    settings::Settings,
    user::{FIELDS, User},
    world::World,
};

impl World {
    /// POST /v3/users
    pub(super) fn create_user(
        &mut self,
        mut body: Body,
        settings: &Settings,
    ) -> Result<&User, Refusal> {
        let required = ["firstName", "email", "password", "role"];
        fields::check_creation(&mut body, FIELDS, &required)?;
        self.check_email(&body, None, settings)?;
        let user = self.compose_user(&body, settings)?;
        let id = user.id.clone();
        self.users.insert(user, settings.stale_lists);
        self.user(&id)
    }

    /// GET /v3/users/{id}
    pub(super) fn user(&self, id: &str) -> Result<&User, Refusal> {
        let unknown = || Refusal::not_found(format!("user {id} does not exist"));
        self.users.get(id).ok_or_else(unknown)
    }

    /// PATCH /v3/users/{id}; the user's licenses show the change too.
    pub(super) fn change_user(
        &mut self,
        id: &str,
        mut body: Body,
        settings: &Settings,
    ) -> Result<&User, Refusal> {
        let mut user = self.user(id)?.clone();
        fields::check_change(&mut body, FIELDS, settings.patch_of_fixed_field)?;
        self.check_email(&body, Some(id), settings)?;
        self.write_user(&mut user, &body, settings)?;
        user.updated_at = self.now();
        for license in self.licenses.all_mut() {
            if let Some(shown) = license.user.as_mut().filter(|shown| shown.id == id) {
                *shown = LicenseUser::of(&user);
            }
        }
        self.users.replace(user);
        self.user(id)
    }

    /// A user from any fields, without the checks of the API, shown by the next list.
    ///
    /// # Panics
    /// When the metadata has too many items: the mistake of whoever seeds.
    pub(super) fn seed_user(&mut self, body: &Body, settings: &Settings) -> String {
        let mut user = match self.compose_user(body, settings) {
            Ok(user) => user,
            Err(refusal) => panic!("{}", refusal.message),
        };
        if let Some(id) = body.get("id").and_then(Value::as_str) {
            user.id = id.to_owned();
        }
        let id = user.id.clone();
        self.users.insert(user, 0);
        id
    }

    fn compose_user(&mut self, body: &Body, settings: &Settings) -> Result<User, Refusal> {
        let (id, created) = self.next_user();
        let mut user = User {
            id,
            created_at: created,
            updated_at: created,
            role: "user".to_owned(),
            ..User::default()
        };
        self.write_user(&mut user, body, settings)?;
        Ok(user)
    }

    fn write_user(
        &mut self,
        user: &mut User,
        body: &Body,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        for (name, value) in body {
            user.assign(name, value);
        }
        let Some(posted) = body.get("metadata") else {
            return Ok(());
        };
        let now = self.now();
        let next_id = || self.next_metadata_id();
        metadata::write(&mut user.metadata, posted, settings.metadata_patch, now, next_id)
            .map_err(Refusal::invalid)
    }

    fn check_email(
        &self,
        body: &Body,
        own_id: Option<&str>,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let Some(email) = body.get("email").and_then(Value::as_str) else {
            return Ok(());
        };
        match self.users.holder(&email.to_lowercase()) {
            Some(holder) if Some(holder) != own_id => {
                let status = settings.user_conflict_status;
                Err(Refusal::conflict(status, "'email' belongs to another user"))
            }
            Some(_) | None => Ok(()),
        }
    }
}
