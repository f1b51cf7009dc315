//! Logins: what the token of a person costs the gateway, the first time and again.
//!
//! Role: calls the gateway's proof of a token, without the wire. The first time is the check of a signature; again is the
//! token's digest and a look-up, however often it comes.
//! Failure story: a token that is refused fails the section.

use std::hint::black_box;

use gateway::measure::LoginToken;

use crate::{
    Outcome, Scale,
    judging::runs,
    machine::CLOCK,
    report::{Figure, Report},
};

const SECTION: &str = "logins";

pub(crate) fn measure(report: &mut Report, scale: &Scale) -> Outcome<()> {
    let token = LoginToken::new(CLOCK.clone()).ok_or("no token can be made")?;
    token.prove().ok_or("the token is refused")?;
    let first = runs(scale, 2_000, |_| black_box(&token).prove());
    let again = runs(scale, 100_000, |_| black_box(&token).recognise());
    report.add(Figure::new(SECTION, "prove the token of a login", "us", first).note("ES256"));
    report.add(
        Figure::new(SECTION, "the same token again", "us", again)
            .at_most(10.0)
            .note("no signature check"),
    );
    Ok(())
}
