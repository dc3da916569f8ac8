//! What the license calls do.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    catalogue::{Template, YEARLY_PRODUCT},
    fields::{self, Body},
    instant,
    license::{License, LicenseUser, StartTrigger},
    license_fields::{EXPIRY, FIELDS},
    metadata,
    reply::Refusal,
    settings::{ExpiryOrInterval, RenewWithoutExpiry, Settings, Verdict},
    world::{self, World},
};

impl World {
    /// POST /v3/licenses
    pub(super) fn create_license(
        &mut self,
        mut body: Body,
        settings: &Settings,
    ) -> Result<&License, Refusal> {
        fields::check_creation(&mut body, FIELDS, &["productId"])?;
        let template = self.template_for(&body)?;
        let metadata_keys: Vec<&str> = body
            .get("metadata")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|item| item["key"].as_str())
            .collect();
        let required = &template.required_metadata_keys;
        if let Some(key) = required.iter().find(|key| !metadata_keys.contains(&key.as_str())) {
            return Err(Refusal::invalid(format!("the template requires metadata '{key}'")));
        }
        self.check_key(&body, None, settings)?;
        self.check_users(&body, settings)?;
        self.check_past(body.get("expiresAt"), settings)?;
        let license = self.compose_license(&body, &template, settings)?;
        let id = license.id.clone();
        self.licenses.insert(license, settings.stale_lists);
        self.license(&id)
    }

    /// GET /v3/licenses/{id}
    pub(super) fn license(&self, id: &str) -> Result<&License, Refusal> {
        self.licenses.get(id).ok_or_else(|| unknown(id))
    }

    /// PATCH /v3/licenses/{id}
    pub(super) fn change_license(
        &mut self,
        id: &str,
        mut body: Body,
        settings: &Settings,
    ) -> Result<&License, Refusal> {
        let mut license = self.license(id)?.clone();
        fields::check_change(&mut body, FIELDS, settings.patch_of_fixed_field)?;
        self.check_key(&body, Some(id), settings)?;
        self.check_users(&body, settings)?;
        self.write_license(&mut license, &body, settings)?;
        Ok(self.keep_license(license))
    }

    /// POST /v3/licenses/{id}/renew: one interval more than the expiry was, whatever the time is now.
    pub(super) fn renew_license(
        &mut self,
        id: &str,
        body: &[u8],
        settings: &Settings,
    ) -> Result<&License, Refusal> {
        let mut license = self.license(id)?.clone();
        if !body.is_empty() && !fields::object(body)?.is_empty() {
            return Err(Refusal::invalid("renew takes no fields"));
        }
        let interval = &license.subscription_interval;
        let Some(end) = license.expires_at.filter(|_| !interval.is_empty()) else {
            let message = format!("license {id} has no expiry or no interval to add to it");
            return match settings.renew_without_expiry {
                RenewWithoutExpiry::Refuse400 => Err(Refusal::invalid(message)),
                RenewWithoutExpiry::Refuse409 => Err(Refusal::conflict(409, message)),
                RenewWithoutExpiry::AcceptUnchanged => self.license(id),
            };
        };
        let later = instant::after(end, interval).ok_or_else(beyond_calendar)?;
        license.end_at(Some(later));
        Ok(self.keep_license(license))
    }

    /// PATCH /v3/licenses/{id}/expires-at
    pub(super) fn end_license_at(
        &mut self,
        id: &str,
        mut body: Body,
        settings: &Settings,
    ) -> Result<&License, Refusal> {
        let mut license = self.license(id)?.clone();
        fields::check_change(&mut body, EXPIRY, settings.patch_of_fixed_field)?;
        let posted = body.get("expiresAt");
        let posted = posted.ok_or_else(|| Refusal::invalid("'expiresAt' is required"))?;
        if posted.is_null() && settings.expires_at_null == Verdict::Refuse400 {
            return Err(Refusal::invalid("'expiresAt' must not be null"));
        }
        self.check_past(Some(posted), settings)?;
        license.end_at(posted_instant(posted, settings));
        Ok(self.keep_license(license))
    }

    /// DELETE /v3/licenses/{id}
    pub(super) fn delete_license(&mut self, id: &str) -> Result<(), Refusal> {
        self.licenses.remove(id).map(drop).ok_or_else(|| unknown(id))
    }

    /// A license from any fields, without the checks of the API, shown by the next list.
    ///
    /// # Panics
    /// When an instant does not parse, or a user does not exist: the mistake of whoever seeds.
    pub(super) fn seed_license(&mut self, mut body: Body, settings: &Settings) -> String {
        let no_expiry = body.get("expiresAt").is_some_and(Value::is_null);
        body.retain(|_, value| !value.is_null());
        for name in ["expiresAt", "createdAt"] {
            let text = body.get(name).and_then(Value::as_str);
            assert!(text.is_none_or(|it| instant::read(it).is_some()), "{name} is no instant");
        }
        for derived in ["perpetual", "updatedAt"] {
            body.remove(derived);
        }
        if let Some(user) = body.remove("user") {
            body.insert("userId".to_owned(), user["id"].clone());
        }
        if let Err(refusal) = self.check_users(&body, settings) {
            panic!("{}", refusal.message);
        }
        body.entry("productId").or_insert_with(|| YEARLY_PRODUCT.into());
        let template = self.template_for(&body).unwrap_or_else(|_| {
            let trigger = Some(StartTrigger::Creation);
            Template::new("", "", "", trigger)
        });
        let id = body.remove("id");
        let mut license = match self.compose_license(&body, &template, settings) {
            Ok(license) => license,
            Err(refusal) => panic!("{}", refusal.message),
        };
        if let Some(id) = id.as_ref().and_then(Value::as_str) {
            license.id = id.to_owned();
        }
        if no_expiry {
            license.end_at(None);
        }
        let id = license.id.clone();
        self.licenses.insert(license, 0);
        id
    }

    /// An unknown product or template is a 400: the reference declares no 404 for this call.
    fn template_for(&self, body: &Body) -> Result<Template, Refusal> {
        let text = |name| body.get(name).and_then(Value::as_str);
        let product = text("productId").unwrap_or_default();
        let default = self.products.get(product);
        let default = default
            .ok_or_else(|| Refusal::invalid(format!("'productId': no product {product}")))?;
        let id = text("licenseTemplateId").unwrap_or(default);
        self.templates
            .get(id)
            .cloned()
            .ok_or_else(|| Refusal::invalid(format!("'licenseTemplateId': no template {id}")))
    }

    fn compose_license(
        &mut self,
        body: &Body,
        template: &Template,
        settings: &Settings,
    ) -> Result<License, Refusal> {
        let (number, counted) = self.next_license();
        let created = body.get("createdAt").and_then(Value::as_str).and_then(instant::read);
        let mut license = License::seeded(
            world::id("11ce05e0", number),
            format!("SANDBOX-KEY-{number:06}"),
            created.unwrap_or(counted),
            template,
        );
        self.write_license(&mut license, body, settings)?;

        // From the clock and not from the counted creation, so that the end does not depend on how many came before.
        let start = created.unwrap_or(self.now());
        let interval = &license.subscription_interval;
        let interval_wins = body.contains_key("subscriptionInterval")
            && settings.expiry_or_interval == ExpiryOrInterval::Interval;
        let posted = body.get("expiresAt").filter(|_| !interval_wins);
        let end = match (posted, license.subscription_start_trigger) {
            (Some(posted), _) => posted_instant(posted, settings),
            (None, Some(StartTrigger::Activation)) => None,
            (None, Some(StartTrigger::Creation) | None) if interval.is_empty() => None,
            (None, Some(StartTrigger::Creation) | None) => {
                Some(instant::after(start, interval).ok_or_else(beyond_calendar)?)
            }
        };
        license.end_at(end);
        license.updated_at = license.created_at;
        Ok(license)
    }

    fn write_license(
        &mut self,
        license: &mut License,
        body: &Body,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        for (name, value) in body {
            license.assign(name, value);
        }
        if let Some(id) = body.get("userId") {
            let user = id.as_str().and_then(|id| self.users.get(id));
            license.user = user.map(LicenseUser::of);
        }
        if let Some(posted) = body.get("metadata") {
            let now = self.now();
            let how = settings.metadata_patch;
            let next_id = || self.next_metadata_id();
            metadata::write(&mut license.metadata, posted, how, now, next_id)
                .map_err(Refusal::invalid)?;
        }
        Ok(())
    }

    fn keep_license(&mut self, mut license: License) -> &License {
        license.updated_at = self.now();
        let id = license.id.clone();
        self.licenses.replace(license);
        self.licenses.get(&id).expect("was there before it was replaced")
    }

    fn check_key(
        &self,
        body: &Body,
        own_id: Option<&str>,
        settings: &Settings,
    ) -> Result<(), Refusal> {
        let Some(key) = body.get("key").and_then(Value::as_str) else {
            return Ok(());
        };
        if settings.key_pattern_enforced && !follows_pattern(key) {
            return Err(Refusal::invalid("'key' does not match the key pattern"));
        }
        match self.licenses.holder(key) {
            Some(holder) if Some(holder) != own_id => {
                let status = settings.license_conflict_status;
                Err(Refusal::conflict(status, "'key' belongs to another license"))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn check_users(&self, body: &Body, settings: &Settings) -> Result<(), Refusal> {
        let more = body.get("additionalUserIds").and_then(Value::as_array);
        let ids = body.get("userId").into_iter().chain(more.into_iter().flatten());
        let unknown = ids.filter_map(Value::as_str).find(|id| self.users.get(id).is_none());
        match unknown {
            Some(id) => {
                let message = format!("user {id} does not exist");
                let status = settings.unknown_user_status;
                let code = if status == 404 { "NOT_FOUND" } else { "INVALID_REQUEST" };
                Err(Refusal { status, code, message })
            }
            None => Ok(()),
        }
    }

    fn check_past(&self, posted: Option<&Value>, settings: &Settings) -> Result<(), Refusal> {
        let end = posted.and_then(|posted| posted_instant(posted, settings));
        let refused = settings.expires_at_in_past == Verdict::Refuse400;
        if refused && end.is_some_and(|end| end < self.now()) {
            return Err(Refusal::invalid("'expiresAt' is in the past"));
        }
        Ok(())
    }
}

fn posted_instant(posted: &Value, settings: &Settings) -> Option<Timestamp> {
    let instant = posted.as_str().and_then(instant::read);
    instant.map(|instant| instant::cut(instant, settings.expires_at_precision))
}

/// Cryptlex's default pattern: six groups of six upper-case hexadecimal digits.
fn follows_pattern(key: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    let is_group = |group: &str| group.len() == 6 && group.bytes().all(is_digit);
    key.split('-').count() == 6 && key.split('-').all(is_group)
}

fn unknown(id: &str) -> Refusal {
    Refusal::not_found(format!("license {id} does not exist"))
}

fn beyond_calendar() -> Refusal {
    Refusal::invalid("the expiry would lie beyond the calendar")
}
