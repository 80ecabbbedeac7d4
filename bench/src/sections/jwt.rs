//! Verification over HTTP of JWTs that were seen before.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::cached::answer_bytes;
use crate::compare::{Side, interleave};
use crate::context::{Context, Stage, body_form, self_form};
use crate::load::Load;
use crate::process::Bare;
use crate::report::{Bound, Section};
use crate::script::Script;

/// Tokens that are verified in turn, each of another principal.
const TOKENS: u32 = 1_000;
/// The end of each: long after any benchmark.
const EXPIRES_AT: u64 = 4_000_000_000;
/// The seed of the key that signs; anybody knows it.
const SEED: [u8; 32] = *b"keywright-bench-keywright-bench-";

const HOW: &str = "As the section on cached verification, with 1,000 JWTs (Ed25519) of another issuer, each of \
    another principal by a rule. Each was verified once: its signature is remembered under the SHA-256 of the \
    whole token. Access tokens of our own take the same path.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Verification of a JWT seen before, over HTTP", HOW);
    let key = Ed25519KeyPair::from_seed_unchecked(&SEED).context("the seed is no key")?;
    let issuer = publish(&key)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("keywright.toml");
    std::fs::write(&file, configuration(issuer))?;
    let file = file.display().to_string();
    let settings = [("KEYWRIGHT_JOURNAL__MAX_BYTES", "32GiB"), ("KEYWRIGHT_CONFIG", &*file)];
    let stage = context.on_postgres(0, &settings)?;
    let known = Arc::new((0..TOKENS).map(|number| token(&key, issuer, number)).collect::<Vec<_>>());
    let itself = self_form(Arc::clone(&known));
    for _ in 0..TOKENS {
        answer_bytes(&stage, &itself)?;
    }
    // The caller is looked up as well.
    answer_bytes(&stage, &self_form(Arc::new(vec![stage.root_token.clone()])))?;
    stage.database()?.hold_events()?;
    let loads = stage.database()?.loads()?;
    let mut answered = 0;
    for (form, script, connections) in [
        ("self, 64 connections", &itself, 64),
        ("caller + token, 64 connections", &body_form(&stage.root_token, Arc::clone(&known)), 64),
        ("self, 1 connection", &itself, 1),
    ] {
        answered += compare(context, &stage, &mut section, (form, script), connections)?;
    }
    let asked = stage.database()?.loads()? - loads;
    section.note(format!("Queries for grants while {answered} JWTs were verified: {asked}."));
    stage.database()?.take_events()?;
    Ok(section)
}

fn compare(
    context: &Context,
    stage: &Stage<'_>,
    section: &mut Section,
    (form, script): (&str, &Arc<Script>),
    connections: usize,
) -> Result<u64> {
    let bare = Bare::start("bare", answer_bytes(stage, script)?)?;
    let bare = Side { address: bare.address, process: &bare.process, script };
    let keywright = Side { address: stage.server.address, process: &stage.server.process, script };
    let rounds = interleave(bare, keywright, Load::with(connections, context.slice()), context.rounds())?;
    let rate = if connections == 64 { Bound::AtLeast(0.75, 0.90) } else { Bound::None };
    rounds.rows(section, form, rate, [Bound::None, Bound::None])?;
    Ok(rounds.0.iter().map(|(_, keywright)| keywright.outcome.sent).sum())
}

fn configuration(issuer: SocketAddr) -> String {
    format!(
        "[issuers.bench]\nissuer = 'http://{issuer}'\naudiences = ['keywright']\n\
         jwks_url = 'http://{issuer}/keys'\n[[issuers.bench.rules]]\nclaim = 'role'\nvalue = 'bench'\n\
         principal = 'bench'\nscopes = ['catalog:read']\n"
    )
}

/// Answers every request with the public key, for as long as the process lives.
fn publish(key: &Ed25519KeyPair) -> Result<SocketAddr> {
    let x = encode(key.public_key());
    let body = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "bench", "x": x}]}).to_string();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &body);
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// The token of a number; all are of one length.
fn token(key: &Ed25519KeyPair, issuer: SocketAddr, number: u32) -> String {
    let header = json!({"alg": "EdDSA", "kid": "bench"}).to_string();
    let claims = json!({
        "iss": format!("http://{issuer}"), "aud": "keywright", "sub": format!("{number:06}"),
        "role": "bench", "email": "bench@example.com", "exp": EXPIRES_AT,
    });
    let signed = format!("{}.{}", encode(header), encode(claims.to_string()));
    let signature = encode(key.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
