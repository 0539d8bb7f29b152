use std::io::Write;

use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::{
    answer::{Answer, HandlerError},
    auth::Identity,
    bed::{Bed, Reply, limits, route, until},
    call::Call,
};

const TYPE: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");

/// Name, file name, type and text of what came, and where it was.
fn tells(call: Call) -> Result<Answer, HandlerError> {
    let text = call.body.bytes(1 << 30).map_err(|e| HandlerError::internal(e.to_string()))?;
    let place = if call.body.path().is_some() { "file" } else { "memory" };
    let part = call.part.map(|p| format!("{} {:?} {:?}", p.name, p.file_name, p.content_type));
    Ok(Answer::bytes("text/plain", format!("{part:?} {place} {}", String::from_utf8_lossy(&text))))
}

async fn bed() -> Bed {
    let bed = Bed::with(|_, body| (body.memory, body.max) = (100, 4_000), Identity::nobody()).await;
    bed.add(route(Method::POST, "/up", &limits(), tells).upload(&["assetfile", "resource"]));
    bed
}

fn part(name: &str, file_name: Option<&str>, text: &str) -> String {
    let file_name = file_name.map(|f| format!("; filename=\"{f}\"\r\nContent-Type: image/png")).unwrap_or_default();
    format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n{text}\r\n")
}

async fn up(bed: &Bed, parts: &[String]) -> Reply {
    bed.ask("POST", "/up", &[TYPE], parts.concat() + "--XX--\r\n").await
}

#[tokio::test]
async fn m15_30_the_wanted_part_is_the_body() {
    let bed = bed().await;
    let picture = part("assetfile", Some("a.png"), "ONE");
    let told = r#"Some("assetfile Some(\"a.png\") Some(\"image/png\")") memory ONE"#;
    for parts in [
        vec![picture.clone()],
        vec![part("hash", None, "x"), picture.clone()],
        // A file that came first gives way to the one that was asked for.
        vec![part("other", Some("b"), "TWO"), picture.clone(), part("resource", Some("c"), "THREE")],
    ] {
        assert_eq!(up(&bed, &parts).await.text(), told);
    }
    let other = up(&bed, &[part("text", None, "x"), part("a", Some("1"), "A"), part("b", Some("2"), "B")]).await;
    assert_eq!(other.text(), r#"Some("a Some(\"1\") Some(\"image/png\")") memory A"#);
    let unnamed = up(&bed, &[part("resource", None, "bare")]).await;
    assert_eq!(unnamed.text(), r#"Some("resource None None") memory bare"#);
    let long = "y".repeat(300);
    assert!(up(&bed, &[part("resource", Some("f"), &long)]).await.text().contains(&format!("file {long}")));
    let raw = bed.ask("POST", "/up", &[("content-type", "image/png")], "raw").await;
    assert_eq!(raw.text(), "None memory raw");
    assert_eq!(std::fs::read_dir(bed.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn forms_that_are_no_good() {
    let bed = bed().await;
    assert_eq!(up(&bed, &[part("text", None, "x")]).await.status(), 400);
    assert_eq!(bed.ask("POST", "/up", &[TYPE], "--XX--\r\n").await.status(), 400);
    assert_eq!(bed.ask("POST", "/up", &[TYPE], "nonsense").await.status(), 400);
    assert_eq!(bed.ask("POST", "/up", &[TYPE], part("assetfile", Some("a"), "x")).await.status(), 400, "no end");
    let long = part("assetfile", Some("a"), &"x".repeat(4_001));
    assert_eq!(up(&bed, &[long]).await.status(), 413);
    // What is thrown away has a limit, too, and so has what has to be kept until it is understood.
    let more = part("text", None, &"x".repeat(2 << 20));
    assert_eq!(up(&bed, &[more]).await.status(), 413);
    let head = format!("--XX\r\nContent-Disposition: form-data; name=\"{}", "x".repeat(400_000));
    assert_eq!(bed.ask("POST", "/up", &[TYPE], head).await.status(), 400);
    assert_eq!(std::fs::read_dir(bed.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn m15_26_a_sender_of_a_form_that_goes_leaves_no_file() {
    let bed = bed().await;
    let count = || std::fs::read_dir(bed.dir.path()).unwrap().count();
    let head = format!(
        "POST /up HTTP/1.1\r\nhost: x\r\n{}: {}\r\ncontent-length: 3000\r\nexpect: 100-continue\r\n\r\n",
        TYPE.0, TYPE.1
    );
    let mut sender = bed.raw(&head).await;
    let mut asked = [0; 25];
    sender.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    sender.write_all(part("assetfile", Some("a"), &"x".repeat(1_000)).as_bytes()).await.unwrap();
    until("a file", || count() == 1).await;
    drop(sender);
    until("no file", || count() == 0).await;
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn m2_3_codings_of_bodies() {
    let bed = bed().await;
    for coding in ["UTF-8", "identity", "utf-8, identity"] {
        let plain = bed.ask("POST", "/up", &[("content-encoding", coding)], "text").await;
        assert_eq!(plain.text(), "None memory text", "{coding}");
    }
    let long = "z".repeat(3_000);
    let packed = bed.ask("POST", "/up", &[("content-encoding", "gzip")], gzip(long.as_bytes())).await;
    assert_eq!(packed.text(), format!("None file {long}"));
    let form = part("assetfile", Some("a"), "inside") + "--XX--\r\n";
    let packed = bed.ask("POST", "/up", &[TYPE, ("content-encoding", "x-gzip")], gzip(form.as_bytes())).await;
    assert!(packed.text().ends_with("inside"), "{}", packed.text());
    let refused = |coding, body: Vec<u8>| {
        let bed = &bed;
        async move { bed.ask("POST", "/up", &[("content-encoding", coding)], body).await.status() }
    };
    assert_eq!(refused("br", b"x".to_vec()).await, 415);
    assert_eq!(refused("gzip, gzip", b"x".to_vec()).await, 415);
    assert_eq!(refused("gzip", b"no gzip at all".to_vec()).await, 400);
    let cut = gzip(long.as_bytes());
    assert_eq!(refused("gzip", cut[..cut.len() - 9].to_vec()).await, 400);
    // A bomb goes off against the limit.
    assert_eq!(refused("gzip", gzip(&vec![0; 64 << 20])).await, 413);
}
