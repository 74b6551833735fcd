//! What a worker asks for.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The calls that a worker makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Reclaim,
    Statuses,
    CreateArtifact,
    /// The bytes of an artifact.
    Put,
    /// Of an upload to the object service, and of the artifact that it was for.
    Finish,
    /// Any of the three.
    Report,
    Other,
}

impl Call {
    fn of(method: &str, path: &str) -> Self {
        let last = path.rsplit('/').next().unwrap_or_default();
        match (method, last) {
            ("POST", _) if path.contains("/claim-work/") => Self::Claim,
            ("POST", _) if path.contains("/artifacts/") => Self::CreateArtifact,
            ("POST", _) if path.contains("/finish-upload/") => Self::Finish,
            ("PUT", _) if path.contains("/api/queue/v1/task/") && path.contains("/artifacts/") => {
                Self::Finish
            }
            ("POST", "reclaim") => Self::Reclaim,
            ("POST", "status") => Self::Statuses,
            ("POST", "completed" | "failed" | "exception") => Self::Report,
            ("PUT", _) if !path.starts_with("/api/") => Self::Put,
            _ => Self::Other,
        }
    }
}

/// The first part of a request.
pub(super) struct Head {
    pub(super) call: Call,
    pub(super) path: String,
    /// As it is passed on.
    text: String,
    /// What came with it of the body.
    body: Vec<u8>,
    body_length: usize,
}

impl Head {
    /// Reads the head of a request; none where there is no request.
    pub(super) async fn read(client: &mut TcpStream) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = end_of_head(&bytes) {
                break end;
            }
            if client.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let body = bytes.split_off(end);
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        let request = lines.next().unwrap_or_default();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut passed_on = format!("{request}\r\nConnection: close\r\n");
        let mut body_length = 0;
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                body_length = value.trim().parse().map_err(io::Error::other)?;
            }
            if !name.eq_ignore_ascii_case("connection") {
                passed_on.push_str(line);
                passed_on.push_str("\r\n");
            }
        }
        passed_on.push_str("\r\n");
        Ok(Some(Self {
            call: Call::of(method, path),
            path: path.to_owned(),
            text: passed_on,
            body,
            body_length,
        }))
    }

    /// Reads the rest of the body.
    pub(super) async fn drain(&mut self, client: &mut TcpStream) -> io::Result<()> {
        while self.body.len() < self.body_length {
            if client.read_buf(&mut self.body).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Sends it on, with what there is of its body.
    pub(super) async fn pass_on(&self, upstream: SocketAddr) -> io::Result<TcpStream> {
        let mut upstream = TcpStream::connect(upstream).await?;
        upstream.write_all(self.text.as_bytes()).await?;
        upstream.write_all(&self.body).await?;
        Ok(upstream)
    }
}

/// Where the head of a request or of an answer ends, and its body begins.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let found = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    found.map(|at| at + 4)
}
