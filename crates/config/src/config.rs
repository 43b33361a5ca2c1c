//! The whole configuration, and how it is put together from its sources.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use tollgate_domain::Tiers;

use crate::file::{self, FileError, MAX_CONFIG_BYTES};
use crate::problem::{Problem, Problems};
use crate::report::Report;
use crate::section::Section;
use crate::source::{Shown, Sources};
use crate::variable::Variables;
use crate::yaml::{self, Node};
use crate::{
    account, authentication, database, identity_provider, limits, logging, mail, model, nearest, operations,
    performance, pricing, production, provider, quota, secrets, server, tier, unserved,
};

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "config.yaml";
/// Variables that begin so are Tollgate's; one that is unknown is probably mistyped.
const OWN_VARIABLES: &str = "TOLLGATE_";
const KNOWN_OWN_VARIABLES: &[&str] = &[
    "TOLLGATE_BIND",
    "TOLLGATE_CONFIG",
    "TOLLGATE_DATA_DIR",
    "TOLLGATE_ENV",
    "TOLLGATE_METRICS_BIND",
    "TOLLGATE_PUBLIC_URL",
    "TOLLGATE_TOKEN",
    "TOLLGATE_TOKEN_FILE",
    "TOLLGATE_TRUSTED_PROXIES",
];

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server listens and keeps its files.
    pub server: server::Server,
    /// Which database.
    pub database: database::Database,
    /// What signs, peppers and seals.
    pub secrets: secrets::Secrets,
    /// What `tollgate-admin --server` presents.
    pub admin: Admin,
    /// How long tokens are good for.
    pub tokens: account::Tokens,
    /// When failed logins lock.
    pub lockout: account::Lockout,
    /// What passwords must be.
    pub password: account::Password,
    /// Who may sign up.
    pub registration: account::Registration,
    /// Whether keys are needed, and what they may do.
    pub authentication: authentication::Authentication,
    /// How keys look and how many a user may have.
    pub keys: limits::Keys,
    /// What each tier allows.
    pub tiers: Tiers,
    /// How much a request holds before it is forwarded.
    pub quota: quota::Quota,
    /// What tokens cost.
    pub pricing: pricing::Pricing,
    /// Who answers; those of the file first, in its order.
    pub providers: Vec<provider::Provider>,
    /// The provider of names that `models` does not hold. Unset where there is none.
    pub default_provider: Option<String>,
    /// Public names of models, in the order of the file. Empty: every name goes to the default provider.
    pub models: Vec<model::Model>,
    /// Whether the echo provider answers live keys: in development, with no provider configured.
    pub echo_for_live: bool,
    /// Bounds of single requests.
    pub performance: performance::Performance,
    /// Bounds of what one address may do.
    pub address_limits: limits::AddressLimits,
    /// Bounds of what one user may do outside the gate.
    pub management_limits: limits::ManagementLimits,
    /// How mails leave.
    pub mail: mail::Mail,
    /// Whose identity tokens are taken.
    pub identity_providers: Vec<identity_provider::IdentityProvider>,
    /// Which browser origins may call.
    pub cors: operations::Cors,
    /// The recorder's queue.
    pub record: operations::Record,
    /// What is kept in memory.
    pub cache: operations::Cache,
    /// How long events are kept.
    pub retention: operations::Retention,
    /// How several servers share a database.
    pub cluster: operations::Cluster,
    /// How the server stops.
    pub shutdown: operations::Shutdown,
    /// How much is logged.
    pub logging: logging::Logging,
}

/// What `tollgate-admin --server` presents.
#[derive(Debug, Clone)]
pub struct Admin {
    /// `TOLLGATE_TOKEN`.
    pub token: Option<SecretString>,
}

/// A configuration without problems, and how it came about.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Each value with its source, sorted by key; secrets are redacted.
    pub provenance: Vec<Shown>,
    /// What is not wrong but should be known.
    pub warnings: Vec<String>,
    /// The configuration file that was read, if any.
    pub file: Option<PathBuf>,
}

/// Reads the configuration. Nothing is written; see [`crate::ensure_secrets`] for what comes next.
///
/// # Errors
/// Every problem that was found, never only the first.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    let working_dir = &sources.working_dir;
    let variables = Variables::gather(working_dir, &sources.environment, &mut problems, &mut warnings);
    let (file, node) = match read_file(sources, &variables) {
        Ok(Some((path, node))) => (Some(path), Some(node)),
        Ok(None) => (None, None),
        Err(problem) => {
            problems.push(problem);
            (None, None)
        }
    };
    let mut report = Report { variables, problems, warnings, shown: Vec::new() };
    warn_of_mistyped_variables(&mut report);
    let config = Section::read(&mut report, "", node.as_ref(), |root| read(root, working_dir));
    production::check(&config, &mut report);
    unserved::warn_of_inert(&mut report);
    let Report { problems, warnings, mut shown, .. } = report;
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    shown.sort_by(|left, right| left.key.cmp(&right.key));
    Ok(Loaded { config, provenance: shown, warnings, file })
}

fn read(root: &mut Section<'_, '_>, working_dir: &Path) -> Config {
    let server = server::read(root, working_dir);
    let production = server.is_production();
    let database = database::read(root, working_dir, &server.data_dir);
    let performance = performance::read(root);
    let providers = provider::read(root, performance.request_timeout_seconds);
    let models = model::read(root, &providers);
    let default_provider = model::default_provider(root, &providers);
    let config = Config {
        secrets: secrets::read(root, production),
        admin: admin(root),
        tokens: account::tokens(root),
        lockout: account::lockout(root),
        password: account::password(root, production),
        registration: account::registration(root, production),
        authentication: authentication::read(root, production),
        keys: limits::keys(root),
        tiers: tier::read(root),
        quota: quota::read(root),
        pricing: pricing::read(root),
        echo_for_live: !production && providers.is_empty(),
        address_limits: limits::address(root),
        management_limits: limits::management(root),
        mail: mail::read(root, &server),
        identity_providers: identity_provider::read(root),
        cors: operations::cors(root, production),
        record: operations::record(root),
        cache: operations::cache(root),
        retention: operations::retention(root),
        cluster: operations::cluster(root),
        shutdown: operations::shutdown(root),
        logging: logging::read(root),
        server,
        database,
        performance,
        providers,
        default_provider,
        models,
    };
    unserved::read(root);
    config
}

/// What is read alone where a command works over the API.
pub(crate) fn admin(root: &mut Section<'_, '_>) -> Admin {
    root.section("admin", |section| Admin { token: section.secret(("token", "TOLLGATE_TOKEN")) })
}

/// The file that was named, else `config.yaml` where there is one.
pub(crate) fn read_file(
    sources: &Sources,
    variables: &Variables,
) -> Result<Option<(PathBuf, Node)>, Problem> {
    let by_variable = || variables.get("TOLLGATE_CONFIG").map(|(path, _)| PathBuf::from(path));
    let named = sources.file.clone().or_else(by_variable);
    let path = sources.working_dir.join(named.as_deref().unwrap_or(Path::new(DEFAULT_FILE)));
    let problem = |problem: String, remedy: &str| Problem {
        key: path.display().to_string(),
        problem,
        remedy: remedy.to_owned(),
    };
    let text = match file::read(&path, MAX_CONFIG_BYTES) {
        Ok(text) => text,
        Err(FileError::Missing) if named.is_none() => return Ok(None),
        Err(error) => return Err(problem(error.to_string(), "name a readable YAML file, or none at all")),
    };
    let node = yaml::parse(&text).map_err(|error| {
        problem(
            format!("line {}, column {}: {}", error.line, error.column, error.what),
            "correct the YAML there; indent with spaces, and put texts with `:` or `#` in quotes",
        )
    })?;
    Ok(Some((path, node)))
}

fn warn_of_mistyped_variables(report: &mut Report) {
    let mistyped: Vec<String> = report
        .variables
        .names()
        .filter(|name| name.starts_with(OWN_VARIABLES) && !KNOWN_OWN_VARIABLES.contains(name))
        .map(|name| {
            let nearest = nearest::best(name, KNOWN_OWN_VARIABLES.iter().copied());
            let nearest = nearest.map_or("", |(_, nearest)| nearest);
            format!("{name} is set but means nothing; the nearest known variable is {nearest}")
        })
        .collect();
    report.warnings.extend(mistyped);
}
