//! `cargo xtask bench`: Tollgate beside nginx in one run, with everything on.
//!
//! The subject is pinned to one core; the load, the upstream and Postgres share the other. Rounds
//! alternate (nginx, SQLite, Postgres, nginx …), so that what the machine does besides hits all alike. What
//! is printed is a reading, not a verdict: nothing is asserted.

mod keys;
mod load;
mod subject;

use std::{collections::BTreeMap, path::Path};

use clap::{Args, Subcommand};

use crate::{
    failure::Failure,
    test::{machine, postgres::Postgres},
    workspace::Workspace,
};
use load::Reading;
use subject::Subject;

/// What is measured, and for how long.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Rounds; the medians are printed
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Connections of the saturating load
    #[arg(long, default_value_t = 64)]
    connections: u32,
}

/// What else is measured.
#[derive(Subcommand)]
enum What {
    /// What many keys cost: to import, to look up, to list, to remember
    Keys(keys::Options),
}

/// Builds the server, then measures.
///
/// # Errors
/// With code 2 where a program is missing; with code 1 where one fails.
pub fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    if let Some(What::Keys(options)) = &options.what {
        return keys::run(workspace, options);
    }
    for (program, package) in [("nginx", "nginx"), ("wrk", "wrk"), ("taskset", "util-linux")] {
        if machine::program(program).is_none() {
            return Err(Failure::unprepared(format!("{program} is missing: apt-get install {package}")));
        }
    }
    machine::run(machine::cargo(&workspace.root).args([
        "build",
        "--release",
        "-p",
        "tollgate-api",
        "-p",
        "tollgate-admin",
    ]))?;
    let folder = tempfile::tempdir().map_err(|error| Failure::io(Path::new("a temporary folder"), &error))?;
    let postgres = Postgres::start_durable()?;
    let upstream = subject::upstream(folder.path())?;
    let subjects = [
        subject::nginx(folder.path(), upstream.port)?,
        subject::tollgate(workspace, folder.path(), upstream.port, "sqlite", None)?,
        subject::tollgate(workspace, folder.path(), upstream.port, "postgres", Some(&postgres.url()))?,
    ];
    let mut readings: BTreeMap<&str, Vec<Reading>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for subject in &subjects {
            let reading = load::measure(folder.path(), subject, options.seconds, options.connections)?;
            println!("round {round}  {:<10} {reading}", subject.name);
            readings.entry(subject.name).or_default().push(reading);
        }
    }
    let direct = load::latency(folder.path(), &upstream, options.seconds)?;
    print_medians(&subjects, &readings, direct);
    Ok(())
}

fn print_medians(subjects: &[Subject], readings: &BTreeMap<&str, Vec<Reading>>, direct_us: f64) {
    let median = |name: &str, of: fn(&Reading) -> f64| {
        let mut values: Vec<f64> = readings.get(name).into_iter().flatten().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    println!(
        "\nmedians: requests a second at saturation, beside nginx; added median latency of one at a time"
    );
    println!("{:<10} {:>10} {:>8} {:>12} {:>10}", "", "req/s", "ratio", "added us", "RSS MiB");
    let (base, base_added) =
        (median("nginx", |r| r.per_second), median("nginx", |r| r.median_us) - direct_us);
    for subject in subjects {
        let per_second = median(subject.name, |r| r.per_second);
        let added = median(subject.name, |r| r.median_us) - direct_us;
        println!(
            "{:<10} {:>10.0} {:>8.2} {:>7.0} {:>3.1}x {:>10.1}",
            subject.name,
            per_second,
            per_second / base,
            added,
            added / base_added,
            subject.resident_mib(),
        );
    }
}
