//! `performance`: bounds of single requests.

use crate::section::Section;

/// Largest body outside the gate, in bytes.
const MAX_OTHER_BODY_BYTES: u64 = 64 * 1024;
const MIB: u64 = 1024 * 1024;

/// Bounds of single requests.
#[derive(Debug, Clone)]
pub struct Performance {
    /// Requests that one key may have running at once; unlimited where unset.
    pub max_concurrent_requests: Option<u32>,
    /// Bound of each upstream attempt's first byte and of each later pause.
    pub request_timeout_seconds: u32,
    /// Whether answers may be cached.
    pub enable_caching: bool,
    /// Answers that the cache holds.
    pub cache_size: u32,
    /// How long a cached answer is good for.
    pub cache_ttl_seconds: u32,
    /// Largest body in the gate, in bytes.
    pub max_gate_body_bytes: u64,
    /// Largest body elsewhere, in bytes: 64 KiB, or less where the gate takes less.
    pub max_other_body_bytes: u64,
}

pub(crate) fn read(root: &mut Section<'_, '_>) -> Performance {
    root.section("performance", |section| {
        if ["enable_caching", "cache_size", "cache_ttl"].into_iter().any(|key| section.has(key)) {
            section.report.warnings.push(
                "performance.enable_caching, .cache_size and .cache_ttl: this version caches no answers"
                    .to_owned(),
            );
        }
        let max_concurrent_requests = section.optional_integer("max_concurrent_requests", 1..=1_000_000);
        section.show_default("max_concurrent_requests", crate::source::UNSET);
        let max_gate_body_bytes = section.integer("max_body_bytes", 32 * MIB, 1_024..=1_024 * MIB);
        Performance {
            max_concurrent_requests,
            request_timeout_seconds: section.integer("request_timeout", 300, 1..=86_400),
            enable_caching: section.boolean("enable_caching", true),
            cache_size: section.integer("cache_size", 100, 0..=10_000_000),
            cache_ttl_seconds: section.integer("cache_ttl", 3_600, 0..=31_536_000),
            max_gate_body_bytes,
            max_other_body_bytes: max_gate_body_bytes.min(MAX_OTHER_BODY_BYTES),
        }
    })
}
