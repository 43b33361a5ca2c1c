//! The body that goes upstream: the caller's, with the provider's name of the model, exactly the output
//! limit that was held, and usage asked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use super::{Request, json, json::Fields};
use crate::{Refusal, catalogue::OutputLimitField, catalogue::Route};

impl Request {
    /// The body for `route`, its output limited to `output_limit` tokens.
    ///
    /// # Errors
    /// `Internal` where JSON cannot be written, which cannot be.
    pub fn upstream_body(&self, route: &Route, output_limit: u64) -> Result<Bytes, Refusal> {
        let mut fields: BTreeMap<&str, &RawValue> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
        let (model, limit) = (raw(&route.upstream_model)?, raw(&output_limit)?);
        let options = raw(&self.stream_options()?)?;
        fields.insert("model", &model);
        for name in self.limit_fields(route) {
            fields.insert(name, &limit);
        }
        if self.stream {
            fields.insert("stream_options", &options);
        }
        serde_json::to_vec(&fields).map(Bytes::from).map_err(|_impossible| Refusal::Internal)
    }

    /// The spellings that the caller used, else the model's.
    fn limit_fields(&self, route: &Route) -> impl Iterator<Item = &'static str> {
        let named = self.named_output_limit().is_some();
        let older = !named && route.output_limit_field == OutputLimitField::MaxTokens;
        let newer = !named && route.output_limit_field == OutputLimitField::MaxCompletionTokens;
        let older = (older || self.max_tokens.is_some()).then_some("max_tokens");
        let newer = (newer || self.max_completion_tokens.is_some()).then_some("max_completion_tokens");
        older.into_iter().chain(newer)
    }

    fn stream_options(&self) -> Result<Fields, Refusal> {
        let given = self.fields.get("stream_options").map(|options| json::object(options.get().as_bytes()));
        let mut options = given.and_then(Result::ok).unwrap_or_default();
        options.insert("include_usage".into(), raw(&true)?);
        Ok(options)
    }
}

fn raw<T: serde::Serialize>(value: &T) -> Result<Box<RawValue>, Refusal> {
    to_raw_value(value).map_err(|_impossible| Refusal::Internal)
}
