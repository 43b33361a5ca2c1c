//! The body that goes upstream: the caller's, with the provider's name of the model, exactly the output
//! limit that was held, and usage asked for.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Request, json, json::Fields};
use crate::{
    Refusal,
    catalogue::{
        OutputLimitField::{self, MaxCompletionTokens, MaxTokens},
        Route,
    },
};

/// About as many bytes as are written beside the caller's fields.
const ROOM: usize = 128;

impl Request {
    /// The body for `route`, its output limited to `output_limit` tokens.
    ///
    /// # Errors
    /// `Internal` where JSON cannot be written, which cannot be.
    pub fn upstream_body(&self, route: &Route, output_limit: u64) -> Result<Bytes, Refusal> {
        let limits = self.limits(route, output_limit);
        let given = self.fields.iter().map(|(name, value)| name.len().saturating_add(value.get().len()));
        let mut body = Object::with_capacity(given.fold(ROOM, usize::saturating_add));
        body.add("model", &route.upstream_model)?;
        for (field, limit) in limits.iter().flatten() {
            body.add(field.name(), limit)?;
        }
        if self.stream {
            body.add("stream_options", &self.stream_options()?)?;
        }
        let is_written = |name: &str| {
            ["model", MaxTokens.name(), MaxCompletionTokens.name()].contains(&name)
                || (self.stream && name == "stream_options")
        };
        for (name, value) in self.fields.iter().filter(|(name, _)| !is_written(name)) {
            body.add(name, value)?;
        }
        Ok(body.end())
    }

    /// The output limit under the spellings that the caller used, each no more than its own wish; under the
    /// model's where the caller used none, or the model knows no other.
    fn limits(&self, route: &Route, output_limit: u64) -> [Option<(OutputLimitField, u64)>; 2] {
        let wishes = [(MaxTokens, self.max_tokens), (MaxCompletionTokens, self.max_completion_tokens)];
        let limits = wishes.map(|(field, wish)| {
            let known = !route.knows_no_other_field || field == route.output_limit_field;
            wish.filter(|_| known).map(|wish| (field, wish.min(output_limit)))
        });
        if limits.iter().any(Option::is_some) {
            limits
        } else {
            [Some((route.output_limit_field, output_limit)), None]
        }
    }

    fn stream_options(&self) -> Result<Fields, Refusal> {
        let given = self.fields.get("stream_options").map(|options| json::object(options.get().as_bytes()));
        let mut options = given.and_then(Result::ok).unwrap_or_default();
        options.insert("include_usage".into(), raw(&true)?);
        Ok(options)
    }
}

/// A JSON object that is written a member at a time.
struct Object(Vec<u8>);

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        let mut text = Vec::with_capacity(bytes);
        text.push(b'{');
        Self(text)
    }

    fn add(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), Refusal> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        write(&mut self.0, name)?;
        self.0.push(b':');
        write(&mut self.0, value)
    }

    fn end(mut self) -> Bytes {
        self.0.push(b'}');
        self.0.into()
    }
}

fn write(text: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), Refusal> {
    serde_json::to_writer(text, value).map_err(|_impossible| Refusal::Internal)
}

fn raw<T: Serialize>(value: &T) -> Result<Box<RawValue>, Refusal> {
    to_raw_value(value).map_err(|_impossible| Refusal::Internal)
}
