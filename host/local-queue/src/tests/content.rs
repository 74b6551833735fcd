//! The bytes of artifacts: put and read.

use queue::wire::{ArtifactContent, CreateArtifactResponse};
use reqwest::{Method, header};

use super::{
    artifacts::s3,
    kit::{Fixture, expires},
};

/// Makes an artifact, and answers where to put its bytes.
async fn address(fixture: &Fixture, worker: &queue::Queue, id: &str, name: &str) -> String {
    let request = s3("text/plain", expires());
    let made = worker.create_artifact(id, 0, name, &request).await.unwrap();
    let CreateArtifactResponse::S3 {
        put_url,
        content_type,
        ..
    } = made
    else {
        panic!("no address")
    };
    assert_eq!(content_type, "text/plain");
    assert!(put_url.starts_with(&fixture.queue.root_url()), "{put_url}");
    put_url
}

async fn place(fixture: &Fixture, id: &str, name: &str) -> String {
    match fixture.root().artifact(id, 0, name).await.unwrap() {
        ArtifactContent::S3 { url } => url,
        other => panic!("{other:?}"),
    }
}

fn files(fixture: &Fixture) -> usize {
    std::fs::read_dir(fixture.path().join("artifacts"))
        .unwrap()
        .count()
}

#[tokio::test]
async fn bytes_come_back_with_the_headers_they_were_put_with() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let name = "public/a b/../log.txt";
    let bytes: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    let put = fixture
        .http
        .put(address(&fixture, &worker, id, name).await)
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .header(header::CONTENT_ENCODING, "gzip")
        .body(bytes.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 200);

    let url = place(&fixture, id, name).await;
    let got = fixture.http.get(&url).send().await.unwrap();
    let text = |got: &reqwest::Response, name| got.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(text(&got, header::CONTENT_TYPE), "text/plain; charset=utf-8");
    assert_eq!(text(&got, header::CONTENT_ENCODING), "gzip");
    assert_eq!(text(&got, header::ETAG), text(&put, header::ETAG));
    assert_eq!(text(&got, header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    assert_eq!(got.bytes().await.unwrap(), bytes);

    let head = fixture.http.head(&url).send().await.unwrap();
    assert_eq!(text(&head, header::CONTENT_LENGTH), "600000");
    let part = fixture
        .http
        .get(&url)
        .header(header::RANGE, "bytes=599990-")
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(text(&part, header::CONTENT_RANGE), "bytes 599990-599999/600000");
    assert_eq!(part.bytes().await.unwrap(), bytes[599_990..]);
    let beyond = fixture
        .http
        .get(&url)
        .header(header::RANGE, "bytes=600000-")
        .send()
        .await
        .unwrap();
    assert_eq!(beyond.status(), 416);
}

#[tokio::test]
async fn nothing_is_also_something() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let put_url = address(&fixture, &worker, id, "public/empty").await;
    let put = fixture
        .http
        .put(put_url)
        .header(header::CONTENT_LENGTH, 0)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 200);
    let got = fixture
        .http
        .get(place(&fixture, id, "public/empty").await)
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 200);
    assert!(got.bytes().await.unwrap().is_empty());
}

#[tokio::test]
async fn bytes_put_again_replace_the_former_ones() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    for body in ["first", "second"] {
        let put_url = address(&fixture, &worker, id, "public/a").await;
        let put = fixture.http.put(put_url).body(body).send().await.unwrap();
        assert_eq!(put.status(), 200);
        let got = fixture
            .http
            .get(place(&fixture, id, "public/a").await)
            .send()
            .await
            .unwrap();
        assert_eq!(got.text().await.unwrap(), body);
        assert_eq!(files(&fixture), 1);
    }
}

#[tokio::test]
async fn only_addresses_that_the_queue_has_signed_are_good_and_only_for_what_they_are_for() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let put_url = address(&fixture, &worker, id, "public/a").await;
    let get_url = place(&fixture, id, "public/a").await;
    let status = async |method: Method, url: &str| {
        let request = fixture.http.request(method, url).body("x");
        request.send().await.unwrap().status().as_u16()
    };
    // Nothing has been put yet.
    assert_eq!(status(Method::GET, &get_url).await, 404);
    assert_eq!(status(Method::PUT, &get_url).await, 403);
    assert_eq!(status(Method::GET, &put_url).await, 403);
    let bare = put_url.split('?').next().unwrap();
    assert_eq!(status(Method::PUT, bare).await, 403);
    assert_eq!(
        status(Method::PUT, &put_url.replace("public/a", "public/b")).await,
        403
    );
    assert_eq!(
        status(Method::PUT, &put_url.replace("expires=", "expires=1")).await,
        403
    );
    assert_eq!(
        status(Method::PUT, &format!("{bare}?expires=x&signature=%FF")).await,
        403
    );
    assert_eq!(status(Method::PUT, &put_url).await, 200);
    assert_eq!(status(Method::GET, &get_url).await, 200);
    assert_eq!(files(&fixture), 1);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused() {
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let put_url = address(&fixture, &worker, &claim.status.task_id, "public/a").await;
    let pieces = futures_util::stream::iter([Ok::<_, std::io::Error>("x")]);
    let put = fixture
        .http
        .put(put_url)
        .body(reqwest::Body::wrap_stream(pieces))
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 411);
    assert_eq!(files(&fixture), 0);
}

#[tokio::test]
async fn half_an_upload_leaves_nothing() {
    use tokio::io::AsyncWriteExt as _;
    let fixture = Fixture::start().await;
    let (claim, worker) = fixture.running().await;
    let id = &claim.status.task_id;
    let put_url = url::Url::parse(&address(&fixture, &worker, id, "public/a").await).unwrap();
    let at = (put_url.host_str().unwrap(), put_url.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let path = &put_url[url::Position::BeforePath..];
    let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
    stream.write_all(head.as_bytes()).await.unwrap();
    while files(&fixture) == 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    drop(stream);
    let missing = fixture
        .http
        .get(place(&fixture, id, "public/a").await)
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), 404);
    // Given up at once, or swept up by the next start.
    let fixture = fixture.restart().await;
    assert_eq!(files(&fixture), 0);
}
