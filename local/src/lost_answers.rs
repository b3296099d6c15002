//! Loses answers of the emulators as a network does: the call is executed, and its caller
//! finds the connection closed.

use std::io;
use std::num::NonZeroU32;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures_util::stream;

/// A router that loses one answer in `one_in`, at random.
pub fn losing(router: Router, one_in: NonZeroU32) -> Router {
    router.layer(middleware::from_fn_with_state(one_in, lose))
}

async fn lose(State(one_in): State<NonZeroU32>, request: Request, next: Next) -> Response {
    let answer = next.run(request).await;
    match rand::random_ratio(1, one_in.get()) {
        true => lost(),
        false => answer,
    }
}

/// The server polls a body before it sends the head. If that fails, it closes the
/// connection and sends nothing.
fn lost() -> Response {
    let failing = stream::once(async { Err::<Bytes, _>(io::Error::other("lost")) });
    Response::new(Body::from_stream(failing))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn calls_are_executed_although_their_answers_are_lost() {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let router = Router::new().fallback(async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            "answer"
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = losing(router, NonZeroU32::MIN);
        tokio::spawn(axum::serve(listener, router).into_future());
        let error = reqwest::get(&url).await.unwrap_err();
        assert!(error.is_request(), "{error:?}");
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
