//! Query parameters. Each is read by name, so that what is wrong with one names it; others are passed over.

use std::{
    collections::HashMap,
    future::{Ready, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use tollgate_domain::KeyId;
use tollgate_store::{
    PageRequest,
    page::{DEFAULT_PAGE, MAX_PAGE},
};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The most days of statistics.
const MAX_DAYS: u16 = 366;
const DEFAULT_DAYS: u16 = 30;

/// All parameters of a query.
#[derive(Debug)]
pub struct Params(HashMap<String, String>);

impl FromRequest for Params {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let read = web::Query::<HashMap<String, String>>::from_query(request.query_string());
        ready(match read {
            Ok(params) => Ok(Self(params.into_inner())),
            Err(_unreadable) => Err(Problem::malformed("The query cannot be read.")),
        })
    }
}

impl Params {
    /// `true` or `false`, in capitals too, as Python writes them; false where it is missing.
    ///
    /// # Errors
    /// 422 for anything else.
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.0.get(name) {
            None => Ok(false),
            Some(text) => text
                .to_ascii_lowercase()
                .parse()
                .map_err(|_neither| Problem::field(name, "invalid_value", "must be true or false")),
        }
    }

    /// A text, if there is one.
    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number<T: std::str::FromStr + PartialOrd>(
        &self,
        name: &'static str,
        (least, most): (T, T),
        default: T,
        rule: String,
    ) -> Result<T, Problem> {
        match self.0.get(name) {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| *number >= least && *number <= most)
                .ok_or_else(|| Problem::field(name, "out_of_range", rule)),
        }
    }
}

/// `?days=30`, 1 to 366.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Days {
    /// How many days back.
    #[param(required = false, minimum = 1, maximum = 366, default = 30)]
    pub days: u16,
}

impl TryFrom<&Params> for Days {
    type Error = Problem;

    fn try_from(params: &Params) -> Result<Self, Problem> {
        let days = params.number("days", (1, MAX_DAYS), DEFAULT_DAYS, format!("must be 1 to {MAX_DAYS}"))?;
        Ok(Self { days })
    }
}

/// `?limit=50&cursor=…`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 100, default = 50)]
    pub limit: u32,
    /// The `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl TryFrom<&Params> for PageQuery {
    type Error = Problem;

    fn try_from(params: &Params) -> Result<Self, Problem> {
        let rule = format!("must be 1 to {MAX_PAGE}");
        let limit = params.number("limit", (1, MAX_PAGE), DEFAULT_PAGE, rule)?;
        Ok(Self { limit, cursor: params.0.get("cursor").cloned() })
    }
}

impl PageQuery {
    /// What `read` makes of the cursor, if there is one.
    ///
    /// # Errors
    /// 422 where it makes nothing of it.
    pub fn after<T>(&self, read: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let wrong = || Problem::field("cursor", "invalid_value", "must be the next_cursor of a page");
        self.cursor.as_deref().map(|text| read(text).ok_or_else(wrong)).transpose()
    }
}

impl TryFrom<&Params> for PageRequest {
    type Error = Problem;

    fn try_from(params: &Params) -> Result<Self, Problem> {
        let page = PageQuery::try_from(params)?;
        // A cursor is the id of a page's last record, whatever kind of record that is.
        let after = page.after(|text| text.parse::<KeyId>().ok())?.map(|id| id.as_uuid());
        Ok(Self { limit: page.limit, after })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn params(query: &str) -> Params {
        let request = TestRequest::with_uri(&format!("/x?{query}")).to_http_request();
        Params::from_request(&request, &mut Payload::None).into_inner().unwrap()
    }

    #[test]
    fn days_have_bounds() {
        let days = |query| Days::try_from(&params(query)).map(|days| days.days).ok();
        assert_eq!(days(""), Some(30));
        assert_eq!(days("days=1&other=x"), Some(1));
        assert_eq!(days("days=366"), Some(366));
        for wrong in ["days=0", "days=367", "days=-1", "days=x", "days=", "days=1.5", "days=99999999999"] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pages_have_bounds() {
        let page = |query| PageRequest::try_from(&params(query)).ok();
        assert_eq!(page(""), Some(PageRequest::default()));
        assert_eq!(page("limit=100").unwrap().limit, 100);
        for wrong in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor="] {
            assert_eq!(page(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn flags_are_true_or_false() {
        let flag = |query| params(query).flag("a").ok();
        for (query, wanted) in [
            ("a=true", true),
            ("a=True", true),
            ("a=TRUE", true),
            ("a=false", false),
            ("a=False", false),
            ("", false),
        ] {
            assert_eq!(flag(query), Some(wanted), "{query}");
        }
        for wrong in ["a=1", "a=", "a=yes", "a=true%20", "a"] {
            assert_eq!(flag(wrong), None, "{wrong}");
        }
    }
}
