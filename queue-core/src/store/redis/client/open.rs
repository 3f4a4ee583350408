//! Dials, and says who we are.

use std::io;
use std::sync::Arc;

use futures_util::future;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, ConnectionAddr, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, RedisResult,
    Value,
};
use tokio::net::TcpStream;

use super::socket::Socket;
use super::stream::Duplex;
use super::{Connection, Kind};

/// A connection to where `client` leads, ready for commands. Its caller bounds the time.
pub(in crate::store::redis) async fn open(client: &redis::Client) -> RedisResult<Connection> {
    let info = client.get_connection_info();
    let settings = info.redis_settings();
    let own = if matches!(settings.protocol(), ProtocolVersion::RESP2) { dial(info.addr()).await? } else { None };
    let Some(stream) = own else { return by_crate(client).await };
    let mut connection = Connection(Kind::Own { socket: Arc::new(Socket::new(stream)), db: settings.db() });
    greet(&mut connection, settings).await?;
    Ok(connection)
}

/// What we do not speak ourselves.
async fn by_crate(client: &redis::Client) -> RedisResult<Connection> {
    // Else the end of a long request waits until the server has confirmed its beginning.
    let settings = TcpSettings::default().set_nodelay(true);
    let client = redis::Client::open(client.get_connection_info().clone().set_tcp_settings(settings))?;
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    Ok(Connection(Kind::Crate(client.get_multiplexed_async_connection_with_config(&config).await?)))
}

/// A stream to `place`; `None` for a kind that is not ours.
async fn dial(place: &ConnectionAddr) -> io::Result<Option<Box<dyn Duplex>>> {
    match place {
        ConnectionAddr::Tcp(host, port) => {
            let stream = any_of(host, *port).await?;
            stream.set_nodelay(true)?;
            Ok(Some(Box::new(stream)))
        }
        #[cfg(unix)]
        ConnectionAddr::Unix(path) => Ok(Some(Box::new(tokio::net::UnixStream::connect(path).await?))),
        _ => Ok(None),
    }
}

/// Whichever of a name's addresses answers first.
async fn any_of(host: &str, port: u16) -> io::Result<TcpStream> {
    let dials: Vec<_> =
        tokio::net::lookup_host((host, port)).await?.map(|address| Box::pin(TcpStream::connect(address))).collect();
    if dials.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, format!("the name {host} has no address")));
    }
    future::select_ok(dials).await.map(|(stream, _)| stream)
}

/// Logs in, chooses the database, and leaves our name for `CLIENT LIST`; all at once.
async fn greet(connection: &mut Connection, settings: &RedisConnectionInfo) -> RedisResult<()> {
    let mut hello = redis::pipe();
    // Each answer is looked at by itself.
    hello.ignore_errors();
    let password = settings.password();
    if let Some(password) = password {
        hello.cmd("AUTH").arg(settings.username()).arg(password);
    }
    let chosen = settings.db() != 0;
    if chosen {
        hello.cmd("SELECT").arg(settings.db());
    }
    if !settings.skip_set_lib_name() {
        let (name, version) = (settings.lib_name(), settings.lib_ver());
        hello.cmd("CLIENT").arg("SETINFO").arg("LIB-NAME").arg(name.unwrap_or(env!("CARGO_PKG_NAME"))).ignore();
        hello.cmd("CLIENT").arg("SETINFO").arg("LIB-VER").arg(version.unwrap_or(env!("CARGO_PKG_VERSION"))).ignore();
    }
    if hello.is_empty() {
        return Ok(());
    }
    let mut answers = hello.query_async::<Vec<Value>>(connection).await?.into_iter();
    if password.is_some() {
        answers.next().unwrap_or(Value::Nil).extract_error().map_err(not_let_in)?;
    }
    if chosen {
        answers.next().unwrap_or(Value::Nil).extract_error()?;
    }
    Ok(())
}

/// A login that is refused in general terms (a server without any password, for one) is still about the login.
fn not_let_in(error: RedisError) -> RedisError {
    match error.code() {
        Some("ERR") => {
            let said = error.detail().unwrap_or_default().to_owned();
            RedisError::from((ErrorKind::AuthenticationFailed, "the login was refused", said))
        }
        _ => error,
    }
}
