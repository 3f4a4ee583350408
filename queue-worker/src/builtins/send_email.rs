//! `queue.send_email`: a mail as a job, also from Python.

use lettre::Message;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use queue_core::task::ErrorKind;
use queue_core::{Context, State, TaskError, TaskResult, task};
use serde::{Deserialize, Serialize};

use super::transport::{Mailer, MailerError, mailbox};

/// One address or several.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Addresses {
    /// `ann@example.com` or `Ann <ann@example.com>`.
    One(String),
    /// A list of those.
    Many(Vec<String>),
}

impl Addresses {
    fn iter(&self) -> impl Iterator<Item = &String> {
        match self {
            Self::One(address) => std::slice::from_ref(address).iter(),
            Self::Many(addresses) => addresses.iter(),
        }
    }
}

impl From<&str> for Addresses {
    fn from(address: &str) -> Self {
        Self::One(address.to_owned())
    }
}

impl From<Vec<String>> for Addresses {
    fn from(addresses: Vec<String>) -> Self {
        Self::Many(addresses)
    }
}

/// Sends a mail; returns its `Message-ID`, which is made of the task's id, so that a mail that was sent twice after a
/// crash can be told.
///
/// `body` is the text; with `html` the mail has both. Without `from` it comes from the worker's `MAIL_FROM`. What the server
/// refuses for now, or a server that cannot be reached, is tried again for about an hour; a wrong address and
/// what the server refuses for good are not.
#[task(name = "queue.send_email", builtin, max_retries = 8, backoff = "15s..15m", time_limit = "2m")]
#[expect(clippy::too_many_arguments, reason = "these are the parts of a mail, sent by keyword")]
pub async fn send_email(
    to: Addresses,
    subject: String,
    body: String,
    html: Option<String>,
    from: Option<String>,
    reply_to: Option<Addresses>,
    cc: Option<Addresses>,
    bcc: Option<Addresses>,
    mailer: State<Mailer>,
    ctx: Context,
) -> TaskResult<String> {
    let id = format!("<{}@queue>", ctx.id());
    let sender = match &from {
        Some(from) => address_of(from)?,
        None => mailer.sender().clone(),
    };
    let mut mail = Message::builder().message_id(Some(id.clone())).from(sender).subject(subject);
    for address in to.iter() {
        mail = mail.to(address_of(address)?);
    }
    for address in reply_to.iter().flat_map(Addresses::iter) {
        mail = mail.reply_to(address_of(address)?);
    }
    for address in cc.iter().flat_map(Addresses::iter) {
        mail = mail.cc(address_of(address)?);
    }
    for address in bcc.iter().flat_map(Addresses::iter) {
        mail = mail.bcc(address_of(address)?);
    }
    let mail = match html {
        Some(html) => mail.multipart(MultiPart::alternative_plain_html(body, html)),
        None => mail.singlepart(SinglePart::plain(body)),
    };
    let mail = mail.map_err(TaskError::fatal)?;
    mailer.send(mail).await.map_err(failed)?;
    Ok(id)
}

fn address_of(text: &str) -> TaskResult<Mailbox> {
    mailbox(text).map_err(failed)
}

fn failed(error: MailerError) -> TaskError {
    let kind = if error.is_transient() { ErrorKind::Failed } else { ErrorKind::Fatal };
    TaskError { kind, ..TaskError::from_any(error) }
}
