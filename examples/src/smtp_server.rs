//! A mail server that keeps what it is sent: just enough SMTP for the examples to deliver to. Not for the internet.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// One received mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Header and body.
    pub text: String,
}

/// Listens on a free loopback port; each mail received comes out of the channel. Ends with the runtime.
///
/// # Errors
///
/// When no port can be listened on.
pub async fn start() -> io::Result<(SocketAddr, UnboundedReceiver<Mail>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (mails, received) = unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mails = mails.clone();
            // A client that hangs up in the middle has not sent a mail: nothing to tell anybody.
            tokio::spawn(async move { converse(socket, mails).await.ok() });
        }
    });
    Ok((address, received))
}

async fn converse(socket: TcpStream, mails: UnboundedSender<Mail>) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut mail = Mail { from: String::new(), to: Vec::new(), text: String::new() };
    let mut answer = "220 localhost ready";
    loop {
        socket.write_all(format!("{answer}\r\n").as_bytes()).await?;
        let line = read_line(&mut socket).await?;
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 localhost",
            "NOOP" | "RSET" => "250 ok",
            "MAIL" => {
                mail.from = address_in(&line);
                "250 ok"
            }
            "RCPT" => {
                mail.to.push(address_in(&line));
                "250 ok"
            }
            "DATA" => {
                socket.write_all(b"354 end with a dot\r\n").await?;
                mail.text = read_data(&mut socket).await?;
                // Nobody listening any more is the end of the example.
                mails.send(mail.clone()).ok();
                mail.to.clear();
                "250 kept"
            }
            "QUIT" => return socket.write_all(b"221 bye\r\n").await,
            _ => "502 not known here",
        };
    }
}

/// The lines up to the one with a single dot, doubled dots at a line's start undone.
async fn read_data(socket: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let line = read_line(socket).await?;
        if line == "." {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
}

async fn read_line(socket: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if socket.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// What stands between `<` and `>`.
fn address_in(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}
