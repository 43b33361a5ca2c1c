//! JSON looked into one layer at a time: each value kept as it came, and no more of them than anybody needs,
//! so that a body takes a few times its own size in memory and not a hundred times.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use tollgate_domain::event::{MAX_SHORT_TEXT_BYTES, bounded};

/// By name; of a name that stands twice, the last counts, for us and for the provider alike.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// The most fields of an object.
pub const MAX_FIELDS: usize = 1_000;
/// The most items of a list.
pub const MAX_ITEMS: usize = 100_000;

/// The fields of an object; otherwise what is wrong, in a few words.
pub fn object(text: &[u8]) -> Result<Fields, String> {
    let read = serde_json::from_slice::<Object>(text);
    read.map(|object| object.0).map_err(|error| bounded(&error.to_string(), MAX_SHORT_TEXT_BYTES))
}

/// The items of a list; `None` where it is none, or has more than [`MAX_ITEMS`].
pub fn list(value: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str::<List<'_>>(value).ok().map(|list| list.0)
}

struct Object(Fields);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut fields = Fields::new();
                while let Some((name, value)) = map.next_entry()? {
                    if fields.len() == MAX_FIELDS {
                        return Err(Error::custom(format_args!("more than {MAX_FIELDS} fields")));
                    }
                    fields.insert(name, value);
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

struct List<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = List<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    if list.len() == MAX_ITEMS {
                        return Err(Error::custom(format_args!("more than {MAX_ITEMS} items")));
                    }
                    list.push(item);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_seq(Read)
    }
}
