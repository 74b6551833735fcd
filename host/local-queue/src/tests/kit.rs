//! A queue in a temporary directory, and ways to talk to it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use hawk::{DigestAlgorithm, Key, RequestBuilder};
use queue::{
    CallError, CallErrorKind, ClientOptions, CredentialsHandle, Deployment, Queue,
    wire::{ClaimWorkRequest, Credentials, TaskClaim, timestamp},
};
use reqwest::{Method, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::{
    LocalQueue, Options,
    auth::{Client, TemporaryCredentials, issue},
    clock,
};

/// The task queue that most tests use.
pub(super) const QUEUE: &str = "proj/ci";

/// A running queue.
pub(super) struct Fixture {
    directory: TempDir,
    claim_timeout: Duration,
    pub(super) queue: LocalQueue,
    pub(super) http: reqwest::Client,
}

impl Fixture {
    pub(super) async fn start() -> Self {
        Self::with_claims_of(Duration::from_secs(1200)).await
    }

    pub(super) async fn with_claims_of(claim_timeout: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let queue = start(directory.path(), claim_timeout).await.unwrap();
        Self {
            directory,
            claim_timeout,
            queue,
            http: queue::http_client().unwrap(),
        }
    }

    /// Stops the queue and starts it again where it was.
    pub(super) async fn restart(self) -> Self {
        let Self {
            directory,
            claim_timeout,
            queue,
            http,
        } = self;
        queue.shutdown().await;
        let queue = start(directory.path(), claim_timeout).await.unwrap();
        Self {
            directory,
            claim_timeout,
            queue,
            http,
        }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    pub(super) fn client(&self, credentials: Credentials) -> Queue {
        client_of(&self.queue.root_url(), credentials)
    }

    pub(super) fn root(&self) -> Queue {
        self.client(root())
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.url_of(&format!("queue/v1/{path}"))
    }

    /// The address of a call of any service: the path begins with it, such as `auth/v1/`.
    pub(super) fn url_of(&self, path: &str) -> Url {
        format!("{}/api/{path}", self.queue.root_url()).parse().unwrap()
    }

    /// A request to the queue by hand, signed if there are credentials. A body is JSON.
    pub(super) async fn raw(
        &self,
        credentials: Option<&Credentials>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        self.api(credentials, method, &format!("queue/v1/{path}"), body)
            .await
    }

    /// The same to any service.
    pub(super) async fn api(
        &self,
        credentials: Option<&Credentials>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let url = self.url_of(path);
        let mut request = self.http.request(method.clone(), url.clone());
        if let Some(credentials) = credentials {
            let header = Signature::default().header(credentials, method.as_str(), &url);
            request = request.header(header::AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Reply::of(request).await
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.raw(None, Method::GET, path, None).await
    }

    /// Creates a task, whose taskId is answered.
    pub(super) async fn create(&self, definition: &Value) -> String {
        let task_id = slugid::v4();
        self.root().create_task(&task_id, definition).await.unwrap();
        task_id
    }

    pub(super) async fn claim(&self, task_queue_id: &str, tasks: u32) -> Vec<TaskClaim> {
        let request = claim_request(tasks);
        self.root()
            .claim_work(task_queue_id, &request)
            .await
            .unwrap()
            .tasks
    }

    /// Creates and claims a task.
    pub(super) async fn running(&self) -> (TaskClaim, Queue) {
        let task_id = self.create(&definition(QUEUE)).await;
        let claim = self.claim(QUEUE, 1).await.remove(0);
        assert_eq!(claim.status.task_id, task_id);
        let client = self.client(claim.credentials.clone());
        (claim, client)
    }

    /// Waits until so many long polls wait for a task queue.
    pub(super) async fn until_waiting(&self, task_queue_id: &str, count: usize) {
        while self.queue.signals.waiting(task_queue_id) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn start(
    directory: &std::path::Path,
    claim_timeout: Duration,
) -> Result<LocalQueue, crate::StartError> {
    LocalQueue::start(Options {
        claim_timeout,
        ..Options::new(directory.to_owned(), any_port(), root())
    })
    .await
}

pub(super) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(super) fn client_of(root_url: &str, credentials: Credentials) -> Queue {
    let handle = CredentialsHandle::new(credentials);
    Deployment::new(
        queue::http_client().unwrap(),
        root_url,
        handle,
        ClientOptions::default(),
    )
    .unwrap()
    .queue()
}

/// The root client.
pub(crate) fn root() -> Credentials {
    Credentials {
        client_id: "root".to_owned(),
        access_token: "a-secret-of-the-tests".to_owned(),
        certificate: None,
    }
}

/// Temporary credentials with these scopes.
pub(super) fn limited(scopes: &[&str]) -> Credentials {
    temporary(scopes, (-1, 60))
}

/// Temporary credentials that are good from so many minutes from now until so many minutes from now.
pub(super) fn temporary(scopes: &[&str], (start, expiry): (i64, i64)) -> Credentials {
    let Credentials {
        client_id,
        access_token,
        ..
    } = root();
    let issuer = Client {
        client_id,
        access_token,
        scopes: Vec::new(),
    };
    let wanted = TemporaryCredentials {
        client_id: Some("limited".to_owned()),
        start: clock::now() + TimeDelta::minutes(start),
        expiry: clock::now() + TimeDelta::minutes(expiry),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    issue(&issuer, wanted).unwrap()
}

pub(super) fn claim_request(tasks: u32) -> ClaimWorkRequest {
    ClaimWorkRequest {
        tasks,
        worker_group: "wg".to_owned(),
        worker_id: "w1".to_owned(),
    }
}

pub(super) fn in_time(delta: TimeDelta) -> String {
    timestamp::format(&(clock::now() + delta))
}

pub(super) fn expires() -> DateTime<Utc> {
    clock::now() + TimeDelta::hours(2)
}

/// A task for a task queue.
pub(super) fn definition(task_queue_id: &str) -> Value {
    json!({
        "taskQueueId": task_queue_id,
        "created": in_time(TimeDelta::zero()),
        "deadline": in_time(TimeDelta::hours(1)),
        "payload": { "command": ["true"] },
        "metadata": { "name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com" },
    })
}

/// The same with other properties.
pub(super) fn definition_with(task_queue_id: &str, properties: Value) -> Value {
    let mut definition = definition(task_queue_id);
    for (name, value) in properties.as_object().unwrap() {
        definition[name] = value.clone();
    }
    definition
}

/// Status and code of a call that was refused.
pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> (u16, String) {
    match result.unwrap_err().kind {
        CallErrorKind::Http { status, code, .. } => (status, code),
        kind => panic!("{kind}"),
    }
}

/// An answer, as `refusal` gives it.
pub(super) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// An answer to a raw request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: header::HeaderMap,
    pub(super) body: Value,
}

impl Reply {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.unwrap();
        Self {
            status,
            headers,
            body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        }
    }

    /// Status and code.
    pub(super) fn refusal(&self) -> (u16, String) {
        (
            self.status,
            self.body["code"].as_str().unwrap_or_default().to_owned(),
        )
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// How to sign.
#[derive(Default)]
pub(super) struct Signature {
    /// Seconds to add to now.
    pub(super) skew: i64,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) authorized_scopes: Option<Vec<&'static str>>,
}

impl Signature {
    fn ext(&self, credentials: &Credentials) -> Option<String> {
        let mut ext = json!({});
        if let Some(certificate) = &credentials.certificate {
            ext["certificate"] = serde_json::from_str(certificate).unwrap();
        }
        if let Some(scopes) = &self.authorized_scopes {
            ext["authorizedScopes"] = json!(scopes);
        }
        (ext != json!({})).then(|| STANDARD.encode(ext.to_string()))
    }

    pub(super) fn header(&self, credentials: &Credentials, method: &str, url: &Url) -> String {
        let ext = self.ext(credentials);
        let now = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::seconds(self.skew);
        let header = RequestBuilder::from_url(method, url)
            .unwrap()
            .ext(ext.as_deref())
            .hash(self.hash.as_deref())
            .request()
            .make_header_full(&hawk_credentials(credentials), now.into(), slugid::v4())
            .unwrap();
        format!("Hawk {header}")
    }

    /// The address with a signature in it, good for so many seconds.
    pub(super) fn bewit(&self, credentials: &Credentials, url: &Url, seconds: i64) -> Url {
        let ext = self.ext(credentials);
        let until = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::seconds(seconds);
        let signer = hawk_credentials(credentials);
        let request = RequestBuilder::from_url("GET", url)
            .unwrap()
            .ext(ext.as_deref())
            .request();
        let bewit = request.make_bewit(&signer, until.into()).unwrap().to_str();
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("bewit", &bewit);
        url
    }
}

fn hawk_credentials(credentials: &Credentials) -> hawk::Credentials {
    hawk::Credentials {
        id: credentials.client_id.clone(),
        key: Key::new(credentials.access_token.as_bytes(), DigestAlgorithm::Sha256).unwrap(),
    }
}
