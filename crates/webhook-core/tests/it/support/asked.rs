//! What whoever runs the tests asks for, by variables of the environment.

/// `BOOKS=500`: the value of that variable, or else the one that is tried when nobody asks.
#[expect(clippy::disallowed_methods, reason = "what is tried is no configuration of the functions")]
pub(crate) fn asked_for<N: std::str::FromStr>(name: &str, otherwise: N) -> N {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| {
        text.parse().ok().unwrap_or_else(|| panic!("{name} is not understood"))
    })
}
