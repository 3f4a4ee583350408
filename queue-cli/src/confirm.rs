//! Asks before something is changed for good.

use std::io::{self, BufRead as _, Write as _};

use crate::error::CliError;
use crate::out::Out;

/// Asks `question` on the terminal; with `yes` it is taken as answered.
pub(crate) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !Out::interactive() {
        return Err(CliError::aborted(
            "not confirmed, nothing was done: there is no terminal to ask on",
            "--dry-run shows what it would do, --yes does it",
        ));
    }
    if ask(question) { Ok(()) } else { Err(CliError::aborted("not confirmed, nothing was done", "")) }
}

/// No answer is a no.
fn ask(question: &str) -> bool {
    let mut stderr = io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    asked.is_ok() && io::stdin().lock().read_line(&mut answer).is_ok() && is_yes(&answer)
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_yes_is_yes() {
        assert!(["y\n", "Y\r\n", "yes", " YES \n"].into_iter().all(is_yes));
        assert!(!["", "\n", "n\n", "no", "ye", "yess", "j"].into_iter().any(is_yes));
    }
}
