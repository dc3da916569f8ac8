//! What the tests share. Each file is one thing that a test needs: an application, bodies, a topic, a clock.

mod app;
pub(crate) mod asked;
mod bodies;
pub(crate) mod clock;
pub(crate) mod first_year;
pub(crate) mod function;
pub(crate) mod gates;
pub(crate) mod licenses;
pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod mishaps;
pub(crate) mod moto;
pub(crate) mod numbers;
pub(crate) mod orders;
pub(crate) mod people;
pub(crate) mod stores;
pub(crate) mod topics;
pub(crate) mod vendor;

pub(crate) use app::{Answer, App, PRODUCT, SECRET, TIMING, answered, handle, tell};
pub(crate) use bodies::{
    FASTSPRING, PADDLE, STRIPE, batch, body, date_event, edited, json, path_of, rename_event,
};
pub(crate) use licenses::end_of;
