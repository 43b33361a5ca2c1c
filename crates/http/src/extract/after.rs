//! One demand after another.

use std::{pin::Pin, task::Poll};

use actix_web::{Error, FromRequest, HttpRequest, dev::Payload};

/// `B`, which is not looked at before `A` is there. Side by side, whichever refuses first would answer: a
/// stranger would be told what is wrong with a body, as long as its key is still being looked up. Where `B` had to be
/// waited for, `A` is asked for once more: who keeps a body back while a key is revoked does nothing with it afterwards.
#[derive(Debug)]
pub struct After<A, B>(pub A, pub B);

impl<A: FromRequest + 'static, B: FromRequest + 'static> FromRequest for After<A, B> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let first = A::from_request(&request, &mut payload).await.map_err(Into::into)?;
            let mut reading = Box::pin(B::from_request(&request, &mut payload));
            let (first, second) = match futures::poll!(&mut reading) {
                Poll::Ready(second) => (first, second),
                Poll::Pending => {
                    let second = reading.await;
                    (A::from_request(&request, &mut Payload::None).await.map_err(Into::into)?, second)
                }
            };
            Ok(Self(first, second.map_err(Into::into)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{HttpMessage, error::ErrorUnauthorized, rt::task::yield_now, test::TestRequest};
    use futures::future::{LocalBoxFuture, Ready, ready};

    use super::*;

    /// That somebody went in.
    struct Shut;

    /// Open for the first who asks, and shut from then on.
    #[derive(Debug)]
    struct Door;

    impl FromRequest for Door {
        type Error = Error;
        type Future = Ready<Result<Self, Error>>;

        fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
            let is_shut = request.extensions_mut().insert(Shut).is_some();
            ready(if is_shut { Err(ErrorUnauthorized("it is shut")) } else { Ok(Self) })
        }
    }

    /// Comes at once, or is waited for; good or not.
    #[derive(Debug)]
    struct Rest<const WAITS: bool, const GOOD: bool>;

    impl<const WAITS: bool, const GOOD: bool> FromRequest for Rest<WAITS, GOOD> {
        type Error = Error;
        type Future = LocalBoxFuture<'static, Result<Self, Error>>;

        fn from_request(_: &HttpRequest, _: &mut Payload) -> Self::Future {
            Box::pin(async {
                if WAITS {
                    yield_now().await;
                }
                if GOOD { Ok(Self) } else { Err(actix_web::error::ErrorBadRequest("it is no good")) }
            })
        }
    }

    async fn status<B: FromRequest + 'static>() -> u16 {
        let request = TestRequest::default().to_http_request();
        match After::<Door, B>::from_request(&request, &mut Payload::None).await {
            Ok(_both) => 200,
            Err(error) => error.as_response_error().status_code().as_u16(),
        }
    }

    #[actix_web::test]
    async fn who_was_let_in_is_looked_at_again_after_what_was_waited_for() {
        assert_eq!(status::<Rest<false, true>>().await, 200);
        assert_eq!(status::<Rest<false, false>>().await, 400);
        assert_eq!(status::<Rest<true, true>>().await, 401);
        assert_eq!(status::<Rest<true, false>>().await, 401);
    }
}
