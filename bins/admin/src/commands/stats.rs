//! `stats`: what a key was used for.

use std::io;

use chrono::{NaiveDate, TimeDelta};
use tollgate_accounts::{Accounts, AccountsError};
use tollgate_domain::{Time, latency::percentile, quota::QuotaState};
use tollgate_store::{ListedKey, Stats, Totals, UsageScope};

use crate::{
    cli::StatsOf,
    error::AdminError,
    find,
    json::{self, stats::StatsView},
    output,
    table::{self, Column, NOTHING, Table, number, text, thousands},
};

/// Sums are kept by quarter-hour: the running one is asked for as a whole.
const QUARTER: TimeDelta = TimeDelta::minutes(15);
/// Characters of the longest bar.
const BAR: u64 = 30;

const DAYS: &[Column] = &[
    text("Day"),
    number("Requests"),
    number("Failed"),
    number("Tokens"),
    number("Cost (USD)"),
    text("Requests, drawn"),
];
const GROUPS: &[Column] =
    &[text("Name"), number("Requests"), number("Failed"), number("Tokens"), number("Cost (USD)")];

/// Prints the sums of the last days, as they were last summed.
pub fn run(accounts: &Accounts, flags: &StatsOf, json: bool) -> Result<(), AdminError> {
    let id = find::key(accounts, &flags.key_id)?;
    let listed = accounts.stores.keys.by_id(id)?.ok_or(AccountsError::NotFound("key"))?;
    let key = &listed.key;
    let user = accounts.stores.users.by_id(key.user_id)?.ok_or(AccountsError::NotFound("user"))?;
    let now = accounts.clock.now();
    let from = now - TimeDelta::days(flags.days.into());
    let scope = UsageScope { user: Some(key.user_id), key: Some(key.id), environment: Some(key.environment) };
    let stats = accounts.stores.usage.stats(&scope, from, now + QUARTER)?;
    let quota = accounts.quota(&user, key.environment)?;
    if json {
        return json::print(&StatsView::new(&stats, &quota));
    }
    output::until_hung_up(print(&listed, flags, &stats, &quota, now))
}

fn print(
    listed: &ListedKey,
    flags: &StatsOf,
    stats: &Stats,
    quota: &QuotaState,
    now: Time,
) -> Result<(), AdminError> {
    let totals = &stats.totals;
    let ms = |percent| percentile(&stats.latency, percent).map_or_else(|| NOTHING.to_owned(), thousands);
    output::line(&format_args!("The last {} days of this key.\n", flags.days))?;
    output::details(&[
        ("Key ID", listed.key.id.to_string()),
        ("Name", listed.key.name.clone()),
        ("Status", listed.key.status(now).to_owned()),
        ("Last used", listed.last_used_at.map_or_else(|| "never".to_owned(), table::minute)),
        ("Requests", format!("{} ({} failed)", thousands(totals.requests), thousands(totals.failed()))),
        ("Tokens", thousands(totals.tokens)),
        ("Cost", format!("{} USD", totals.cost)),
        ("Milliseconds", format!("p50 {}, p95 {}, p99 {}", ms(50), ms(95), ms(99))),
        (
            "Month's tokens",
            format!(
                "{} of {}, {} left until {}",
                thousands(quota.used),
                thousands(quota.limit),
                thousands(quota.remaining()),
                table::day(quota.resets_at())
            ),
        ),
    ])?;
    if !flags.detailed {
        return Ok(());
    }
    output::line(&"\nBy day (UTC)")?;
    days(stats, flags.days, now)?;
    output::line(&"\nBy model")?;
    groups(stats.by_model.iter().map(|(model, totals)| (model.as_deref().unwrap_or(NOTHING), totals)))?;
    output::line(&"\nBy endpoint")?;
    groups(stats.by_endpoint.iter().map(|(endpoint, totals)| (endpoint.as_str(), totals)))
}

/// Every day, also those without requests, oldest first.
fn days(stats: &Stats, days: u16, now: Time) -> Result<(), AdminError> {
    let today = now.date_naive();
    let most = stats.by_day.iter().map(|(_, totals)| totals.requests).max().unwrap_or(0);
    let of = |day: NaiveDate| {
        stats.by_day.iter().find(|(other, _)| *other == day).map(|(_, totals)| *totals).unwrap_or_default()
    };
    let rows: Vec<Vec<String>> = (0..=i64::from(days))
        .rev()
        .map(|ago| today - TimeDelta::days(ago))
        .map(|day| {
            let totals = of(day);
            let mut row = vec![day.to_string()];
            row.extend(numbers(&totals));
            row.push(bar(totals.requests, most));
            row
        })
        .collect();
    let mut table = Table::on_stdout(DAYS);
    table.page(&rows)?;
    table.end()
}

fn groups<'a>(groups: impl Iterator<Item = (&'a str, &'a Totals)>) -> Result<(), AdminError> {
    let rows: Vec<Vec<String>> = groups
        .map(|(name, totals)| {
            let mut row = vec![name.to_owned()];
            row.extend(numbers(totals));
            row
        })
        .collect();
    let mut table: Table<io::StdoutLock<'static>> = Table::on_stdout(GROUPS);
    table.page(&rows)?;
    table.end()
}

fn numbers(totals: &Totals) -> [String; 4] {
    [
        thousands(totals.requests),
        thousands(totals.failed()),
        thousands(totals.tokens),
        totals.cost.to_string(),
    ]
}

/// A bar as long as `count` is of `most`; what is not nothing has a character at least.
fn bar(count: u64, most: u64) -> String {
    let length = count.saturating_mul(BAR).checked_div(most).unwrap_or(0);
    let length = if count > 0 { length.max(1) } else { 0 };
    "#".repeat(usize::try_from(length).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(0, 0), "");
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10).len(), 30);
        assert_eq!(bar(5, 10).len(), 15);
        assert_eq!(bar(1, 1_000_000).len(), 1);
    }
}
