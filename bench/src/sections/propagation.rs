//! How long a revoked token still counts on another node.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::context::Context;
use crate::http::Client;
use crate::keywright::VERIFY;
use crate::postgres::token_id;
use crate::report::{Bound, Row, Section, Unit};
use crate::script::Request;
use crate::stats::Samples;
use crate::tokens::token;

/// Between two looks.
const POLL: Duration = Duration::from_millis(5);

const HOW: &str = "Two nodes over one PostgreSQL, both with the token cached. The first revokes it \
    (`DELETE /auth/tokens/{id}`); the second is asked every 5 ms until it says `revoked`. Counted from the \
    moment at which the call had returned.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("A revoke reaches the other node", HOW);
    let rounds = context.pick(200, 20);
    let stage = context.on_postgres(rounds, &[])?;
    let second = crate::keywright::Setup::new(&context.program, Some(&stage.setup.database_url))?;
    let second = second.serve()?;
    let (mut here, mut there) = (Client::connect(stage.server.address)?, Client::connect(second.address)?);
    let (mut calls, mut delays) = (Vec::new(), Vec::new());
    for n in 0..rounds {
        let token = token(n);
        let ask = |client: &mut Client| client.call(Request::post(VERIFY, &token, ""))?.json(200);
        for client in [&mut here, &mut there] {
            ensure!(ask(client)?["valid"] == true, "a token is not valid before it is revoked");
        }
        let path = format!("/api/v1/auth/tokens/{}?reason=bench", token_id(n));
        let start = Instant::now();
        let revoke = Request { method: "DELETE", path: &path, bearer: &stage.root_token, body: "" };
        let answered = here.call(revoke)?;
        let returned = Instant::now();
        ensure!(answered.status == 204, "{} instead of 204", answered.status);
        calls.push((returned - start).as_secs_f64() * 1_000.0);
        loop {
            let asked = Instant::now();
            if ask(&mut there)?["code"] == "revoked" {
                delays.push((asked - returned).as_secs_f64() * 1_000.0);
                break;
            }
            if returned.elapsed() > Duration::from_secs(10) {
                bail!("the other node does not hear of it");
            }
            std::thread::sleep(POLL);
        }
        ensure!(ask(&mut here)?["code"] == "revoked", "the node that revoked it still takes it");
    }
    let delays: Samples = delays.into_iter().collect();
    let row = |what: &str, value: f64, bound| Row::absolute(what, Unit::Millis, value, bound);
    section.row(row("p50", delays.percentile(50.0), Bound::None));
    section.row(row("p99", delays.percentile(99.0), Bound::AtMost(250.0, 250.0)));
    section.row(row("longest", delays.percentile(100.0), Bound::AtMost(2_000.0, 2_000.0)));
    section.row(Row::absolute(
        "the call itself",
        Unit::Millis,
        calls.into_iter().collect::<Samples>(),
        Bound::None,
    ));
    section
        .note(format!("{rounds} rounds; 0.0 ms means that the first look after the call found it revoked."));
    Ok(section)
}
