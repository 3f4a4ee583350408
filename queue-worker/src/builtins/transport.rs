//! Where mails go: to an SMTP server, or into a directory.

use std::path::PathBuf;

use lettre::address::AddressError;
use lettre::message::Mailbox;
use lettre::{AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// The environment's variable with the SMTP server's URL.
const SMTP_URL: &str = "SMTP_URL";
/// The environment's variable with the directory for mails where there is no server.
const MAIL_DIR: &str = "MAIL_DIR";
/// The default of `MAIL_DIR`.
const DEFAULT_DIR: &str = "mail";
/// The environment's variable with the sender of mails that name none.
const MAIL_FROM: &str = "MAIL_FROM";
/// The default of `MAIL_FROM`.
const DEFAULT_FROM: &str = "queue@localhost";

/// Sends mails by SMTP, or writes them as `.eml` files. Tasks extract it as `State<Mailer>`.
#[derive(Debug)]
pub struct Mailer {
    from: Mailbox,
    transport: Transport,
}

enum Transport {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Directory(PathBuf),
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // Holds a password.
            Self::Smtp(_) => f.write_str("Smtp"),
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
        }
    }
}

/// Why there is no mailer, or why a mail was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailerError {
    /// `SMTP_URL` is no URL of an SMTP server. The URL is not repeated: it may hold a password.
    #[error("the SMTP URL is wrong (smtp://host:25, smtps://user:password@host, smtp://host?tls=required)")]
    Url(#[source] lettre::transport::smtp::Error),
    /// An address is none.
    #[error("`{address}` is not a mail address")]
    Address {
        /// The text.
        address: String,
        /// What is wrong with it.
        #[source]
        source: AddressError,
    },
    /// The server refused the mail, or could not be reached.
    #[error("the mail server did not take the mail")]
    Smtp(#[source] lettre::transport::smtp::Error),
    /// The directory could not be written to.
    #[error("the mail could not be written to `{path}`")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl MailerError {
    /// Whether the same mail may be taken if sent again later: not so after a refusal for good (5xx).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Url(_) | Self::Address { .. } => false,
            Self::Smtp(error) => !error.is_permanent() && !error.is_client(),
            Self::Directory { .. } => true,
        }
    }
}

impl Mailer {
    /// By SMTP where `SMTP_URL` is set, else into the directory `MAIL_DIR` (default `mail`). Mails that name no sender
    /// come from `MAIL_FROM` (default `queue@localhost`).
    ///
    /// # Errors
    ///
    /// [`MailerError::Url`] and [`MailerError::Address`] when a variable is set to something else.
    pub fn from_env() -> Result<Self, MailerError> {
        let mailer = match std::env::var(SMTP_URL) {
            Ok(url) if !url.is_empty() => Self::smtp(&url)?,
            _ => Self::directory(std::env::var_os(MAIL_DIR).unwrap_or_else(|| DEFAULT_DIR.into())),
        };
        match std::env::var(MAIL_FROM) {
            Ok(from) if !from.is_empty() => mailer.from(&from),
            _ => Ok(mailer),
        }
    }

    /// By SMTP: `smtp://host:25`, `smtps://user:password@host:465`, `smtp://user:password@host:587?tls=required`.
    ///
    /// # Errors
    ///
    /// [`MailerError::Url`].
    pub fn smtp(url: &str) -> Result<Self, MailerError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(MailerError::Url)?.build();
        Ok(Self { from: default_from(), transport: Transport::Smtp(transport) })
    }

    /// Into a directory, one `.eml` file each; it is made when the first mail comes.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self { from: default_from(), transport: Transport::Directory(path.into()) }
    }

    /// The sender of mails that name none: `orders@example.com` or `Orders <orders@example.com>`.
    ///
    /// # Errors
    ///
    /// [`MailerError::Address`].
    pub fn from(mut self, address: &str) -> Result<Self, MailerError> {
        self.from = mailbox(address)?;
        Ok(self)
    }

    /// The sender of mails that name none.
    pub fn sender(&self) -> &Mailbox {
        &self.from
    }

    /// Sends one mail.
    ///
    /// # Errors
    ///
    /// [`MailerError::Smtp`] or [`MailerError::Directory`]; [`MailerError::is_transient`] says whether to try again.
    pub async fn send(&self, mail: Message) -> Result<(), MailerError> {
        match &self.transport {
            Transport::Smtp(server) => server.send(mail).await.map(drop).map_err(MailerError::Smtp),
            Transport::Directory(path) => {
                let failed = |source| MailerError::Directory { path: path.clone(), source };
                std::fs::create_dir_all(path).map_err(|error| failed(error.into()))?;
                let directory = AsyncFileTransport::<Tokio1Executor>::new(path);
                directory.send(mail).await.map(drop).map_err(|error| failed(error.into()))
            }
        }
    }
}

/// Reads an address.
pub(super) fn mailbox(address: &str) -> Result<Mailbox, MailerError> {
    address.parse().map_err(|source| MailerError::Address { address: address.to_owned(), source })
}

fn default_from() -> Mailbox {
    DEFAULT_FROM.parse().expect("the default sender is an address")
}
