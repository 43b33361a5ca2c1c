//! The body that goes upstream: the caller's, with the provider's name of the model, exactly the output
//! limit that was held, and usage asked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::{RawValue, to_raw_value};

use super::{Request, json, json::Fields};
use crate::{
    Refusal,
    catalogue::{
        OutputLimitField::{MaxCompletionTokens, MaxTokens},
        Route,
    },
};

impl Request {
    /// The body for `route`, its output limited to `output_limit` tokens.
    ///
    /// # Errors
    /// `Internal` where JSON cannot be written, which cannot be.
    pub fn upstream_body(&self, route: &Route, output_limit: u64) -> Result<Bytes, Refusal> {
        let mut fields: BTreeMap<&str, &RawValue> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
        let model = raw(&route.upstream_model)?;
        let limits = self.limits(route, output_limit)?;
        let options = raw(&self.stream_options()?)?;
        fields.insert("model", &model);
        fields.retain(|name, _| ![MaxTokens.name(), MaxCompletionTokens.name()].contains(name));
        fields.extend(limits.iter().map(|(name, limit)| (*name, limit.as_ref())));
        if self.stream {
            fields.insert("stream_options", &options);
        }
        serde_json::to_vec(&fields).map(Bytes::from).map_err(|_impossible| Refusal::Internal)
    }

    /// The output limit under the spellings that the caller used, each no more than its own wish; under the
    /// model's where the caller used none, or the model knows no other.
    fn limits(
        &self,
        route: &Route,
        output_limit: u64,
    ) -> Result<Vec<(&'static str, Box<RawValue>)>, Refusal> {
        let wishes = [(MaxTokens, self.max_tokens), (MaxCompletionTokens, self.max_completion_tokens)];
        let mut limits: Vec<_> = wishes
            .into_iter()
            .filter_map(|(field, wish)| wish.map(|wish| (field, wish.min(output_limit))))
            .filter(|(field, _)| !route.knows_no_other_field || *field == route.output_limit_field)
            .collect();
        if limits.is_empty() {
            limits.push((route.output_limit_field, output_limit));
        }
        limits.into_iter().map(|(field, limit)| Ok((field.name(), raw(&limit)?))).collect()
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
