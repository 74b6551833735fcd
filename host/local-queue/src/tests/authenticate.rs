//! Who signs what: asked by other services, and tried out by other clients.

use chrono::TimeDelta;
use hawk::PayloadHasher;
use queue::wire::Credentials;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::kit::{Fixture, Reply, Signature, in_time, limited, refused, root};

fn unknown() -> (u16, String) {
    refused(401, "AuthenticationFailed")
}

/// Asks whose a request is.
async fn authenticate(fixture: &Fixture, request: Value) -> Value {
    let reply = fixture
        .api(None, Method::POST, "auth/v1/authenticate-hawk", Some(&request))
        .await;
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply.body
}

/// A request that some other service has got.
fn received(url: &url::Url, authorization: Option<String>) -> Value {
    let resource = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let mut request = json!({ "method": "get", "resource": resource, "host": "example.com", "port": 443 });
    if let Some(authorization) = authorization {
        request["authorization"] = json!(authorization);
    }
    request
}

#[tokio::test]
async fn other_services_learn_who_signs_what_they_get() {
    let fixture = Fixture::start().await;
    let url: url::Url = "https://example.com/api/other/v1/x?y=z".parse().unwrap();
    let hash = PayloadHasher::hash("application/json", hawk::SHA256, "{}").unwrap();
    let signature = Signature {
        hash: Some(hash),
        ..Signature::default()
    };
    let limited = limited(&["x:*"]);
    let header = signature.header(&limited, "GET", &url);
    let hash = header
        .split("hash=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let answer = authenticate(&fixture, received(&url, Some(header.clone()))).await;
    assert_eq!(answer["status"], "auth-success");
    assert_eq!(answer["scheme"], "hawk");
    assert_eq!(answer["clientId"], "limited");
    assert_eq!(answer["hash"], hash);
    let scopes = answer["scopes"].as_array().unwrap();
    for scope in ["x:*", "assume:anonymous", "queue:status:*"] {
        assert!(scopes.contains(&json!(scope)), "{scopes:?}");
    }
    // An hour, as the certificate says.
    let expires = answer["expires"].as_str().unwrap();
    assert!(*expires > *in_time(TimeDelta::minutes(55)) && *expires < *in_time(TimeDelta::minutes(65)));

    let signed = Signature::default().bewit(&root(), &url, 60);
    let answer = authenticate(&fixture, received(&signed, None)).await;
    assert_eq!(
        (&answer["scheme"], &answer["clientId"]),
        (&json!("hawk"), &json!("root"))
    );
    assert_eq!(answer["scopes"], json!(["*"]));
    assert_eq!(answer.get("hash"), None);

    let answer = authenticate(&fixture, received(&url, None)).await;
    assert_eq!(
        (&answer["status"], &answer["scheme"]),
        (&json!("no-auth"), &json!("none"))
    );

    let mut elsewhere = received(&url, Some(header));
    elsewhere["port"] = json!(80);
    let answer = authenticate(&fixture, elsewhere).await;
    assert_eq!(answer["status"], "auth-failed");
    assert_eq!(answer["message"], "Unauthorized: Bad mac");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_breaks_nothing() {
    let fixture = Fixture::start().await;
    let good = json!({ "method": "get", "resource": "/", "host": "h", "port": 80 });
    for (name, value) in [
        ("method", json!("GET")),
        ("resource", json!(1)),
        ("host", json!("a b")),
        ("port", json!(65_536)),
        ("port", json!("80")),
        ("sourceIp", json!("x")),
        ("typo", json!(1)),
    ] {
        let mut body = good.clone();
        body[name] = value;
        let reply = fixture
            .api(None, Method::POST, "auth/v1/authenticate-hawk", Some(&body))
            .await;
        assert_eq!(reply.refusal(), refused(400, "InputValidationError"), "{body}");
    }
    for resource in ["", "?", "bewit=", "?bewit=", "/ä?bewit=ä", "&bewit=x?bewit=YQ"] {
        let mut body = good.clone();
        body["resource"] = json!(resource);
        let status = authenticate(&fixture, body).await["status"].clone();
        assert_ne!(status, "auth-success", "{resource}");
    }
}

#[tokio::test]
async fn the_tester_shows_what_a_signature_means() {
    let fixture = Fixture::start().await;
    let tester = Credentials {
        client_id: "tester".to_owned(),
        access_token: "no-secret".to_owned(),
        certificate: None,
    };
    let post = async |credentials: Option<&Credentials>, signature: Signature, required: &[&str]| {
        let body = json!({ "clientScopes": ["x:*"], "requiredScopes": required });
        let url = fixture.url_of("auth/v1/test-authenticate");
        let mut request = fixture.http.post(url.clone()).json(&body);
        if let Some(credentials) = credentials {
            let value = signature.header(credentials, "POST", &url);
            request = request.header(header::AUTHORIZATION, value);
        }
        Reply::of(request).await
    };
    let plain = Signature::default;
    let reply = post(Some(&tester), plain(), &["x:y"]).await;
    let expected = json!({ "clientId": "tester", "scopes": ["assume:anonymous", "x:*"] });
    assert_eq!(reply.body, expected);
    let narrowed = Signature {
        authorized_scopes: Some(vec!["x:y"]),
        ..plain()
    };
    let reply = post(Some(&tester), narrowed, &["x:y"]).await;
    assert_eq!(reply.body["scopes"], json!(["assume:anonymous", "x:y"]));
    let denied = refused(403, "InsufficientScopes");
    assert_eq!(post(Some(&tester), plain(), &["y"]).await.refusal(), denied);
    assert_eq!(post(None, plain(), &["y"]).await.refusal(), denied);
    // Nobody else is known there.
    assert_eq!(post(Some(&root()), plain(), &[]).await.refusal(), unknown());

    let url = fixture.url_of("auth/v1/test-authenticate-get/");
    let signed = plain().bewit(&tester, &url, 60);
    let reply = Reply::of(fixture.http.get(signed)).await;
    assert_eq!(reply.body["clientId"], "tester");
    assert_eq!(Reply::of(fixture.http.get(url)).await.refusal(), denied);
    // Nor is the tester known elsewhere.
    let path = "auth/v1/scopes/current";
    let reply = fixture.api(Some(&tester), Method::GET, path, None).await;
    assert_eq!(reply.refusal(), unknown());
}
