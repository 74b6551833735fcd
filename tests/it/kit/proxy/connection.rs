//! One connection of the proxy: one request, passed on or gone wrong.

use std::{io, sync::Arc, time::Duration};

use chrono::Utc;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy, sink},
    net::TcpStream,
    time::sleep,
};

use super::{
    Call, Fault, Shared,
    request::{Head, end_of_head},
};

/// What a service says to credentials whose time is over.
const EXPIRED: &str = "ext.certificate.expiry < now";
/// How far apart bytes are that trickle.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// Serves one request. Answers for how long the queue is to be gone, if it is.
pub(super) async fn serve(mut client: TcpStream, shared: Arc<Shared>) -> io::Result<Option<Duration>> {
    client.set_nodelay(true)?;
    let Some(head) = Head::read(&mut client).await? else {
        return Ok(None);
    };
    let (number, fault) = shared.note(head.call, &head.path);
    let mut exchange = Exchange {
        client,
        head,
        shared,
        number,
    };
    match fault {
        None => exchange.pass_on().await?,
        Some(Fault::Gone(away)) => return Ok(Some(away)),
        Some(fault) => exchange.go_wrong(fault).await?,
    }
    Ok(None)
}

/// A request that is under way.
struct Exchange {
    client: TcpStream,
    head: Head,
    shared: Arc<Shared>,
    /// Among all that were seen.
    number: usize,
}

impl Exchange {
    /// Passes bytes on in both directions, as they come.
    async fn pass_on(&mut self) -> io::Result<()> {
        let mut upstream = self.head.pass_on(self.shared.upstream).await?;
        let (mut from_client, mut to_client) = self.client.split();
        let (mut from_queue, mut to_queue) = upstream.split();
        let asking = async {
            copy(&mut from_client, &mut to_queue).await?;
            to_queue.shutdown().await
        };
        let answering = async {
            let mut begin = Vec::new();
            while status_of(&begin).is_none() && from_queue.read_buf(&mut begin).await? > 0 {}
            if let Some(status) = status_of(&begin) {
                self.shared.answered(self.number, status);
            }
            to_client.write_all(&begin).await?;
            copy(&mut from_queue, &mut to_client).await?;
            to_client.shutdown().await
        };
        tokio::try_join!(asking, answering).map(drop)
    }

    async fn go_wrong(&mut self, fault: Fault) -> io::Result<()> {
        match fault {
            Fault::Status(status) => {
                self.answer(status, "", "InternalServerError", "as the test asks")
                    .await
            }
            Fault::Stray(status) => {
                self.head.drain(&mut self.client).await?;
                let answer = response(status, "", "<html>nothing here</html>");
                self.end_with(answer.as_bytes()).await
            }
            Fault::Unavailable => {
                let patience = "Retry-After: 1\r\n";
                self.answer(503, patience, "InternalServerError", "come back later")
                    .await
            }
            Fault::Expired => self.answer(401, "", "AuthenticationFailed", EXPIRED).await,
            // The caller's body is read, so that it is the answer that it waits for.
            Fault::Hang => copy(&mut self.client, &mut sink()).await.map(drop),
            Fault::Reset => self.client.set_zero_linger(),
            Fault::LoseAnswer => {
                self.asked().await?;
                self.client.set_zero_linger()
            }
            Fault::Trickle if self.head.call == Call::Put => {
                while self.client.read_u8().await.is_ok() {
                    sleep(BYTE_EVERY).await;
                }
                Ok(())
            }
            Fault::Trickle => {
                let answer = self.asked().await?;
                self.trickle(&answer).await
            }
            Fault::Truncate => {
                let answer = self.asked().await?;
                let head = end_of_head(&answer).unwrap_or_default();
                // Where there is no body, half of the head.
                let whole = if head < answer.len() { head } else { 0 };
                let half = &answer[..whole + (answer.len() - whole) / 2];
                self.end_with(half).await
            }
            Fault::Wrong(body) => {
                self.asked().await?;
                let answer = response(200, "", body);
                self.end_with(answer.as_bytes()).await
            }
            Fault::Garble(text, other) => {
                let answer = String::from_utf8(self.asked().await?).map_err(io::Error::other)?;
                assert!(text.len() == other.len() && answer.contains(text), "{answer}");
                self.end_with(answer.replace(text, other).as_bytes()).await
            }
            // Not of one connection alone.
            Fault::Gone(_) => Ok(()),
        }
    }

    /// Answers in the queue's place, which does not get the request.
    async fn answer(&mut self, status: u16, headers: &str, code: &str, message: &str) -> io::Result<()> {
        self.head.drain(&mut self.client).await?;
        let body = serde_json::json!({"code": code, "message": message, "requestInfo": {}});
        let answer = response(status, headers, &body.to_string());
        self.end_with(answer.as_bytes()).await
    }

    /// Asks the queue, and keeps its answer; there is none where the caller gives up before.
    async fn asked(&mut self) -> io::Result<Vec<u8>> {
        self.head.drain(&mut self.client).await?;
        let mut upstream = self.head.pass_on(self.shared.upstream).await?;
        let mut answer = Vec::new();
        tokio::select! {
            read = upstream.read_to_end(&mut answer) => drop(read?),
            // What a claim brings must not be granted to nobody.
            _ = self.client.read_u8() => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        if let Some(status) = status_of(&answer) {
            self.shared.answered(self.number, status);
        }
        Ok(answer)
    }

    /// Sends byte after byte until the caller gives up.
    async fn trickle(&mut self, answer: &[u8]) -> io::Result<()> {
        for byte in answer {
            self.client.write_all(&[*byte]).await?;
            tokio::select! {
                () = sleep(BYTE_EVERY) => {}
                _ = self.client.read_u8() => return Ok(()),
            }
        }
        Ok(())
    }

    async fn end_with(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.client.write_all(bytes).await?;
        self.client.shutdown().await
    }
}

/// An answer as something before the services would give it.
fn response(status: u16, headers: &str, body: &str) -> String {
    let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT");
    format!(
        "HTTP/1.1 {status} Fault\r\nDate: {date}\r\n{headers}Content-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The HTTP status of an answer, once that much of it is there.
fn status_of(answer: &[u8]) -> Option<u16> {
    let status = answer.get(9..12)?;
    std::str::from_utf8(status).ok()?.parse().ok()
}
