//! Calls to S3 are counted where they are sent, attempts again among them. They wait for no turn: AWS grants them by prefix, and by the thousand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

/// Calls sent so far, by `s3:Api`. Its copies count together.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<BTreeMap<String, u64>>>);

impl Calls {
    /// All of them.
    pub fn all(&self) -> BTreeMap<String, u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// This client, with what it sends counted.
    pub(super) fn counting(&self, client: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Counted {
            inner: client,
            calls: self.clone(),
        })
    }

    fn count(&self, request: &HttpRequest) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts
            .entry(name(request.method(), request.uri()))
            .or_default() += 1;
    }
}

#[derive(Debug)]
struct Counted {
    inner: SharedHttpClient,
    calls: Calls,
}

impl HttpClient for Counted {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(CountedConnector {
            inner: self.inner.http_connector(settings, components),
            calls: self.calls.clone(),
        })
    }
}

#[derive(Debug)]
struct CountedConnector {
    inner: SharedHttpConnector,
    calls: Calls,
}

impl HttpConnector for CountedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.calls.count(&request);
        self.inner.call(request)
    }
}

/// Source: S3 API reference, the request syntax of the few calls that are made.
fn name(method: &str, uri: &str) -> String {
    let is_list = uri.contains("list-type=2");
    let api = match method {
        "GET" if is_list => "ListObjectsV2",
        "GET" => "GetObject",
        "PUT" => "PutObject",
        "DELETE" => "DeleteObject",
        "HEAD" => "HeadBucket",
        other => other,
    };
    format!("s3:{api}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_known_by_name() {
        for (method, uri, expected) in [
            (
                "GET",
                "https://b.s3.amazonaws.com/a/b?x-id=GetObject",
                "s3:GetObject",
            ),
            (
                "GET",
                "https://b.s3.amazonaws.com/?list-type=2&prefix=a",
                "s3:ListObjectsV2",
            ),
            (
                "PUT",
                "http://127.0.0.1:1/b/a?x-id=PutObject",
                "s3:PutObject",
            ),
            ("DELETE", "http://127.0.0.1:1/b/a", "s3:DeleteObject"),
            ("HEAD", "http://127.0.0.1:1/b", "s3:HeadBucket"),
        ] {
            assert_eq!(name(method, uri), expected);
        }
    }
}
