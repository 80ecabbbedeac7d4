//! Starting on an empty machine.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::context::Context;
use crate::keywright::{Keywright, Setup, free_address};
use crate::process::Process;
use crate::report::{Bound, Row, Section, Unit};
use crate::stats::Samples;

const HOW: &str = "`keywright serve --dev` in an empty folder: from the start of the process to the first \
    200 of `/healthz/ready`. It makes the database, its schema, a master key and the first token on the \
    way. Idle memory is read three seconds later.";

/// Measures it.
pub(crate) fn run(context: &Context) -> Result<Section> {
    let mut section = Section::new("Start and size", HOW);
    let (mut times, mut idle, mut again) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..context.pick(11, 3) {
        let setup = Setup::new(&context.program, None)?;
        let (mut server, time) = start(&setup)?;
        times.push(millis(time));
        std::thread::sleep(Duration::from_secs(3));
        idle.push(mebibytes(server.process.used()?.resident));
        server.process.leave()?;
        drop(server);
        let (_server, time) = start(&setup)?;
        again.push(millis(time));
    }
    let row = |what, unit, values: Vec<f64>, bound| {
        Row::absolute(what, unit, values.into_iter().collect::<Samples>(), bound)
    };
    section.row(row("start on an empty SQLite store", Unit::Millis, times, Bound::AtMost(300.0, 100.0)));
    section.row(row("start once more, on that store", Unit::Millis, again, Bound::None));
    section.row(row("idle memory", Unit::Mebibytes, idle, Bound::AtMost(40.0, 20.0)));
    let size = mebibytes(std::fs::metadata(&context.program)?.len());
    section.row(Row::absolute("release binary", Unit::Mebibytes, size, Bound::AtMost(40.0, 25.0)));
    Ok(section)
}

fn start(setup: &Setup) -> Result<(Keywright, Duration)> {
    let address = free_address()?;
    let mut command = setup.command(&["serve", "--dev", "--listen", &address.to_string()]);
    command.env_remove("KEYWRIGHT_MASTER_KEY").stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let mut server = Keywright { process: Process::start(&mut command)?, address };
    let time = server.until_ready(start)?;
    Ok((server, time))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}
