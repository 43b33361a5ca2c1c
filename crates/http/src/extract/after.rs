//! One demand after another.

use std::pin::Pin;

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload};

/// `B`, which is not looked at before `A` is there. Side by side, whichever refuses first would answer: a
/// stranger would be told what is wrong with a body, as long as its key is still being looked up.
#[derive(Debug)]
pub struct After<A, B>(pub A, pub B);

impl<A: FromRequest + 'static, B: FromRequest + 'static> FromRequest for After<A, B> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let first = A::from_request(&request, &mut payload).await.map_err(Into::into)?;
            let second = B::from_request(&request, &mut payload).await.map_err(Into::into)?;
            Ok(Self(first, second))
        })
    }
}
