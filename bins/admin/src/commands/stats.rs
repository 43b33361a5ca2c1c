//! `stats`: what a key was used for.

use chrono::TimeDelta;
use tollgate_domain::Time;

use crate::{
    cli::StatsOf,
    error::AdminError,
    find,
    installation::Installation,
    json::{
        self,
        key::KeyView,
        stats::{Group, StatsView},
    },
    output,
    table::{self, Column, NOTHING, Table, number, text, thousands},
};

/// Characters of the longest bar.
const BAR: u16 = 30;
/// The same in a narrow terminal.
const MIN_BAR: u16 = 5;

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
pub fn run(at: &dyn Installation, flags: &StatsOf, json: bool) -> Result<(), AdminError> {
    let key = find::key(at, &flags.key_id)?.view.key;
    let stats = at.key_stats(key.id, flags.days)?;
    if json {
        return json::print(&stats);
    }
    output::until_hung_up(print(&key, flags, &stats.view, at.now()))
}

fn print(key: &KeyView, flags: &StatsOf, stats: &StatsView, now: Time) -> Result<(), AdminError> {
    let quota = &stats.quota;
    let ms = |ms: Option<u64>| ms.map_or_else(|| NOTHING.to_owned(), thousands);
    output::line(&format_args!("The last {} days of this key.\n", flags.days))?;
    output::details(&[
        ("Key ID", key.id.to_string()),
        ("Name", key.name.clone()),
        ("Status", key.status.clone()),
        ("Last used", key.last_used_at.map_or_else(|| "never".to_owned(), table::minute)),
        (
            "Requests",
            format!("{} ({} failed)", thousands(stats.total_requests), thousands(stats.failed_requests)),
        ),
        ("Tokens", thousands(stats.total_tokens)),
        ("Cost", format!("{} USD", stats.total_cost_usd.digits())),
        (
            "Milliseconds",
            format!("p50 {}, p95 {}, p99 {}", ms(stats.p50_ms), ms(stats.p95_ms), ms(stats.p99_ms)),
        ),
        (
            "Month's tokens",
            format!(
                "{} of {}, {} left until {}",
                thousands(quota.used),
                thousands(quota.limit),
                thousands(quota.remaining),
                table::day(quota.resets_at)
            ),
        ),
    ])?;
    if !flags.detailed {
        return Ok(());
    }
    output::line(&"\nBy day (UTC)")?;
    days(&stats.by_day, flags.days, now)?;
    output::line(&"\nBy model")?;
    groups(&stats.by_model, |group| group.model.as_ref()?.as_deref())?;
    output::line(&"\nBy endpoint")?;
    groups(&stats.by_endpoint, |group| group.endpoint.as_deref())
}

/// Every day, also those without requests, oldest first.
fn days(by_day: &[Group], days: u16, now: Time) -> Result<(), AdminError> {
    let today = now.date_naive();
    let most = by_day.iter().map(|group| group.requests).max().unwrap_or(0);
    let days = (0..=i64::from(days)).rev().map(|ago| today - TimeDelta::days(ago));
    let (mut rows, mut requests) = (Vec::new(), Vec::new());
    for day in days {
        let group = by_day.iter().find(|group| group.day == Some(day));
        let mut row = vec![day.to_string()];
        row.extend(group.map_or_else(|| ["0"; 4].map(str::to_owned), numbers));
        rows.push(row);
        requests.push(group.map_or(0, |group| group.requests));
    }
    let longest = table::room_for_last(DAYS, &rows, BAR).max(MIN_BAR);
    for (row, requests) in rows.iter_mut().zip(requests) {
        row.push(bar(requests, most, longest));
    }
    let mut table = Table::on_stdout(DAYS);
    table.page(&rows)?;
    table.end()
}

fn groups(groups: &[Group], name: impl Fn(&Group) -> Option<&str>) -> Result<(), AdminError> {
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| {
            let mut row = vec![name(group).unwrap_or(NOTHING).to_owned()];
            row.extend(numbers(group));
            row
        })
        .collect();
    let mut table = Table::on_stdout(GROUPS);
    table.page(&rows)?;
    table.end()
}

fn numbers(group: &Group) -> [String; 4] {
    [
        thousands(group.requests),
        thousands(group.failed),
        thousands(group.tokens),
        group.cost_usd.digits().to_owned(),
    ]
}

/// A bar as long as `count` is of `most`, which has `longest` characters; what is not nothing has one at least.
fn bar(count: u64, most: u64, longest: u16) -> String {
    let length = count.saturating_mul(longest.into()).checked_div(most).unwrap_or(0);
    let length = if count > 0 { length.max(1) } else { 0 };
    "#".repeat(usize::try_from(length).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_vanish() {
        assert_eq!(bar(0, 0, BAR), "");
        assert_eq!(bar(0, 10, BAR), "");
        assert_eq!(bar(10, 10, BAR).len(), 30);
        assert_eq!(bar(5, 10, BAR).len(), 15);
        assert_eq!(bar(10, 10, MIN_BAR).len(), 5);
        assert_eq!(bar(1, 1_000_000, BAR).len(), 1);
    }
}
