//! Bodies of the corpus with other people, ids and times in them: as text, so that they stay the bytes that providers send.

use super::CrashError;
use super::story::{Sale, What};
use crate::corpus::Text;
use crate::sandbox::catalogue::{MONTHLY_PRODUCT, PERPETUAL_PRODUCT, YEARLY_PRODUCT};
use crate::sign::Provider;

/// 1 September of 2027, 2028 and 2029: the ends of a year and of its two renewals.
const YEARS: [i64; 3] = [1_819_756_800, 1_851_379_200, 1_882_915_200];
/// The same of October, November and December 2026, as text.
const MONTHS: [&str; 3] = ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"];
/// How much longer Stripe's first invoice pays than the license template gives: only one of a purchase's two events
/// knows.
const FORTNIGHT: i64 = 14 * 24 * 3600;

const PADDLE_SEAT: &str = "pri_01khhw06rgt9va7vb54pwyghrw";
const PADDLE_TOOL: &str = "pri_01khhw0705x27zmpqr34g9v5wx";

/// A license that a sale pays for.
pub(super) struct Bought {
    pub(super) slot: String,
    pub(super) product: &'static str,
    /// Whether pauses, renewals and ends are about it.
    pub(super) renews: bool,
}

/// The licenses of a sale.
pub(super) fn bought(provider: Provider, sale: &Sale) -> Vec<Bought> {
    let subscription = subscription(sale);
    let slot =
        |subject: &str, line: &str, ordinal: u8| format!("{provider}/{subject}/{line}/{ordinal}");
    let yearly = |line| {
        vec![Bought { slot: slot(&subscription, line, 1), product: YEARLY_PRODUCT, renews: true }]
    };
    match provider {
        Provider::Stripe => yearly("-"),
        Provider::Fastspring => yearly("pro-annual"),
        Provider::Paddle => {
            let seats = (1..=sale.seats).map(|seat| Bought {
                slot: slot(&subscription, PADDLE_SEAT, seat),
                product: MONTHLY_PRODUCT,
                renews: true,
            });
            let tool = Bought {
                slot: slot(&order(sale), PADDLE_TOOL, 1),
                product: PERPETUAL_PRODUCT,
                renews: false,
            };
            seats.chain([tool]).collect()
        }
    }
}

/// Until when a sale pays after so many renewals, in seconds since 1970.
pub(super) fn paid_until(provider: Provider, sale: &Sale, renewals: u8) -> i64 {
    let years = YEARS[usize::from(renewals)];
    match provider {
        Provider::Stripe if renewals == 0 && sale.longer_first => years + FORTNIGHT,
        Provider::Stripe | Provider::Fastspring => years,
        Provider::Paddle => instant(MONTHS[usize::from(renewals)]),
    }
}

/// When an event happened, in seconds since 1970: it decides which of two counts.
pub(super) fn happened(provider: Provider, what: What) -> i64 {
    let purchase = 1_788_220_800;
    match (provider, what) {
        (_, What::Customer) => purchase - 2,
        (_, What::Purchase) => purchase,
        (_, What::FirstInvoice) => purchase + 1,
        (Provider::Paddle, What::Renewal(number)) => {
            instant(MONTHS[usize::from(number) - 1]) + 3673
        }
        (_, What::Renewal(number)) => YEARS[usize::from(number) - 1] + 3606,
        // A month after the purchase; after the first renewal; after the first renewal.
        (Provider::Stripe, What::Pause) => 1_790_812_800,
        (Provider::Fastspring, What::Pause) => 1_819_872_000,
        (Provider::Paddle, What::Pause) => 1_791_417_600,
        (_, What::Resume) => 1_791_504_000,
        (_, What::End) => 1_890_000_000,
    }
}

/// The event of a sale. `number` tells events apart.
pub(super) fn event(
    provider: Provider,
    what: What,
    sale: &Sale,
    number: usize,
) -> Result<String, CrashError> {
    match provider {
        Provider::Stripe => stripe(what, sale, number),
        Provider::Fastspring => fastspring(what, sale, number),
        Provider::Paddle => paddle(what, sale, number),
    }
}

/// Whose events are delivered together has one body: FastSpring's are batches.
pub(super) fn delivery(provider: Provider, events: &[&str]) -> Vec<u8> {
    match provider {
        Provider::Fastspring => format!("{{\"events\":[{}]}}", events.join(",")).into_bytes(),
        Provider::Stripe | Provider::Paddle => events.concat().into_bytes(),
    }
}

fn subscription(sale: &Sale) -> String {
    format!("sub_crash{:05}", sale.number)
}

fn order(sale: &Sale) -> String {
    format!("txn_crash{:05}", sale.number)
}

fn stripe(what: What, sale: &Sale, number: usize) -> Result<String, CrashError> {
    let (case, id, created) = match what {
        What::Customer => ("customer-created", "evt_1HYiQxKdPqWvRn2LWzOmtzum", 1_788_220_798),
        What::Purchase => ("checkout-subscription", "evt_1Vm46dKdPqWvRn2LNCGxvsdL", 1_788_220_800),
        What::FirstInvoice => ("invoice-create", "evt_1fwtReKdPqWvRn2LVWisOJLp", 1_788_220_801),
        What::Renewal(_) => ("invoice-cycle", "evt_1RHkB8KdPqWvRn2LKIW2Sd8u", 1_819_760_406),
        What::Pause => ("subscription-paused", "evt_16sdSCKdPqWvRn2Lag0UDufV", 1_790_812_800),
        What::Resume => ("subscription-resumed", "evt_17ojcpKdPqWvRn2LWrJr7GjG", 1_791_417_600),
        What::End => ("subscription-deleted", "evt_1qUEzIKdPqWvRn2L3vrZvoXJ", 1_822_348_800),
    };
    let at = happened(Provider::Stripe, what);
    let mut body = Text::of(Provider::Stripe, case)?;
    body.change(id, &format!("evt_crash{number:05}"))?;
    body.change_first(&format!("\"created\": {created}"), &format!("\"created\": {at}"))?;
    body.rename("sub_1AdalPKdPqWvRn2LIFXNxh5R", &subscription(sale));
    body.rename(
        "cs_live_a1oigvj7AvqQepqH0d2qg621vMFxe9bfS7WSuFEPLz7lTM3Iy6oFR4qBoB",
        &format!("cs_crash{:05}", sale.number),
    );
    body.rename("in_1hzOO6KdPqWvRn2LZGH9kzhg", &format!("in_crash{:05}", sale.number));
    body.rename("in_15sQ2uKdPqWvRn2LOFAF0du1", &format!("in_crash{number:05}"));
    body.rename("cus_UOM4YOIUd3xZ0G", &format!("cus_crash{:05}", sale.customer));
    body.rename("ada@example.com", &sale.email());
    match what {
        What::FirstInvoice => {
            let end = paid_until(Provider::Stripe, sale, 0);
            body.change(&format!("\"end\": {}", YEARS[0]), &format!("\"end\": {end}"))?;
        }
        What::Renewal(number) => {
            let end = paid_until(Provider::Stripe, sale, number);
            body.change(&format!("\"end\": {}", YEARS[1]), &format!("\"end\": {end}"))?;
        }
        What::Customer | What::Purchase | What::Pause | What::Resume | What::End => {}
    }
    Ok(body.into_string())
}

fn fastspring(what: What, sale: &Sale, number: usize) -> Result<String, CrashError> {
    let (case, id, created) = match what {
        What::Purchase => ("order-subscription", "oNKRR0yEGa9Tjk4o01bLXw", 1_788_220_805_137_i64),
        What::Renewal(_) => ("charge-completed", "TvOYTArqN2L-SArtpEIYSA", 1_819_764_727_318),
        What::Pause => ("payment-overdue", "iBmAv94jmv_Wp2GqvJu1wQ", 1_819_872_000_611),
        What::End => ("deactivated", "WpZ1hgvWM1YcOk6QkEfmHg", 1_822_352_400_208),
        What::Customer | What::FirstInvoice | What::Resume => {
            return Err(CrashError::NoEvent(format!("FastSpring has no event for {what:?}")));
        }
    };
    let at = happened(Provider::Fastspring, what) * 1000;
    let mut body = Text::of(Provider::Fastspring, case)?;
    body.change(id, &format!("evt_crash{number:05}"))?;
    body.change(&format!("\"created\":{created}"), &format!("\"created\":{at}"))?;
    body.rename("8Iab57xtIQ-O2NzEHgshMQ", &subscription(sale));
    body.rename("G1EIP87HRcEzKYynY6H_og", &order(sale));
    body.rename("pjiGXthPr9r8jy-vOD8aig", &format!("txn_crash{:05}_{number:05}", sale.number));
    body.rename("ulyIvoKFsTMhMBjru1dcvg", &format!("acc_crash{:05}", sale.customer));
    body.rename("bea@example.com", &sale.email());
    if let What::Renewal(number) = what {
        let end = paid_until(Provider::Fastspring, sale, number) * 1000;
        body.change(&format!("\"next\":{}000", YEARS[1]), &format!("\"next\":{end}"))?;
    }
    let event =
        body.as_str().trim().strip_prefix("{\"events\":[").and_then(|rest| rest.strip_suffix("]}"));
    event.map(str::to_owned).ok_or_else(|| body.lacks("a batch of one event").into())
}

fn paddle(what: What, sale: &Sale, number: usize) -> Result<String, CrashError> {
    let (case, id, occurred) = match what {
        What::Customer => {
            ("customer-created", "evt_01m1d3ytqv5fgad20ejj4va9f6", "2026-08-31T23:55:00.309503Z")
        }
        What::Purchase => {
            ("transaction-web", "evt_01m1d486f4rqtax3xx9ahhh4ah", "2026-09-01T00:00:07.587397Z")
        }
        What::Renewal(_) => (
            "transaction-recurring",
            "evt_01m3tfnmc5trtwz0zzhqh41jr4",
            "2026-10-01T01:01:13.466174Z",
        ),
        What::Pause => {
            ("subscription-paused", "evt_01m4ccymyekr2vh843y9jfnv28", "2026-10-08T00:00:03.829478Z")
        }
        What::End => (
            "subscription-canceled",
            "evt_01m6a6fxaev6dd9yw08tb1ch76",
            "2026-11-01T00:00:03.614688Z",
        ),
        What::FirstInvoice | What::Resume => {
            return Err(CrashError::NoEvent(format!("Paddle has no event for {what:?}")));
        }
    };
    let at = jiff::Timestamp::from_second(happened(Provider::Paddle, what)).unwrap_or_default();
    let mut body = Text::of(Provider::Paddle, case)?;
    body.change(id, &format!("evt_crash{number:05}"))?;
    body.change(occurred, &at.to_string())?;
    body.rename("sub_01m1d484nfq1rrzzyyrn0g6kw7", &subscription(sale));
    body.rename("txn_01m1d44gpd4n12hgqdp6xwtaky", &order(sale));
    body.rename(
        "txn_01m3tfngsdss4qpy96tafgdbe4",
        &format!("txn_crash{:05}_{number:05}", sale.number),
    );
    for item in
        ["01m1d454cx2ctr851jhfavhxeg", "01m1d45515dqqqgmfdfejr21xe", "01m3tfjjcjp0xm0rq1tdbyd7pq"]
    {
        let own = format!("{item}_{:05}_{number:05}", sale.number);
        body.rename(&format!("txnitm_{item}"), &format!("txnitm_{own}"));
    }
    body.rename("ctm_01m1d3yt1we2989nemfgfxp6k4", &format!("ctm_crash{:05}", sale.customer));
    body.rename("ada@example.com", &sale.email());
    match what {
        What::Purchase => body.change("\"quantity\":2", &format!("\"quantity\":{}", sale.seats))?,
        What::Renewal(number) => {
            // It names what it pays for, and may be told before the purchase.
            body.change("\"quantity\":2", &format!("\"quantity\":{}", sale.seats))?;
            let ends = |text: &str| format!("\"ends_at\":\"{text}\"");
            body.change(&ends(MONTHS[1]), &ends(MONTHS[usize::from(number)]))?;
        }
        What::Customer | What::FirstInvoice | What::Pause | What::Resume | What::End => {}
    }
    Ok(body.into_string())
}

fn instant(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second).unwrap_or_default()
}
