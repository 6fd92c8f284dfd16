//! Every setting: a flag, an environment variable and a line of help each. Knows nothing of what it configures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use secrecy::SecretString;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Settings of every command.
#[derive(Clone, Debug, Args)]
pub struct LogArgs {
    /// How log lines are written. RUST_LOG chooses which.
    #[arg(long, env = "GOODWORD_LOG_FORMAT", value_enum, default_value = "text", global = true)]
    pub log_format: LogFormat,
}

/// Where the data is.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// The database. Without it a private PostgreSQL is started in the data directory.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true)]
    pub database_url: Option<SecretString>,
    /// Where the private PostgreSQL keeps its data [default: /var/lib/goodword for root, else $XDG_DATA_HOME/goodword]
    #[arg(long, env = "GOODWORD_DATA_DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// Where PostgreSQL's programs are, if not in one of the usual places.
    #[arg(long, env = "GOODWORD_PG_BIN", global = true)]
    pub pg_bin: Option<PathBuf>,
    /// Let the private PostgreSQL also listen on this port of 127.0.0.1, for psql and backups.
    #[arg(long, env = "GOODWORD_PG_PORT", global = true)]
    pub pg_port: Option<u16>,
    /// Most connections to the database. A server has one more, on which it is told of revoked keys.
    #[arg(long, env = "GOODWORD_DATABASE_CONNECTIONS_MAX", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000), global = true)]
    pub database_connections_max: u32,
    // An environment variable says 1 or yes as often as true.
    /// Work with a database that may lose acknowledged orders in a crash (fsync or the like is off).
    #[arg(long, env = "GOODWORD_ALLOW_UNSAFE_DATABASE", value_parser = BoolishValueParser::new(), global = true)]
    pub allow_unsafe_database: bool,
}

/// How the server listens.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// Address and port to listen on.
    #[arg(long, env = "GOODWORD_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// How the world reaches this server; trackable links start with it [default: http:// and the listen address]
    #[arg(long, env = "GOODWORD_PUBLIC_URL", value_parser = parse_public_url)]
    pub public_url: Option<String>,
    /// Seconds a client has for the head of its first request.
    #[arg(long, env = "GOODWORD_HEAD_TIMEOUT_S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub head_timeout_s: u64,
    /// Seconds an idle connection is kept. Make it longer than your load balancer's.
    #[arg(long, env = "GOODWORD_IDLE_TIMEOUT_S", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub idle_timeout_s: u64,
    /// Seconds a client has for the body of a request.
    #[arg(long, env = "GOODWORD_BODY_TIMEOUT_S", default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub body_timeout_s: u64,
    /// Seconds a client has for a file of coupons.
    #[arg(long, env = "GOODWORD_UPLOAD_TIMEOUT_S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub upload_timeout_s: u64,
    /// Most requests worked on at once; more are asked to come again (503).
    #[arg(long, env = "GOODWORD_REQUESTS_IN_FLIGHT_MAX", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub requests_in_flight_max: u32,
    /// How many transactions record orders side by side, each on a connection of its own; an order that comes alone has one more
    /// [default: the number of cores, at most 4]
    #[arg(long, env = "GOODWORD_PURCHASE_WRITERS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub purchase_writers: Option<u32>,
    /// How many transactions issue referral codes side by side, never two for one account [default: the number of cores, at most 4]
    #[arg(long, env = "GOODWORD_REFERRAL_CODE_WRITERS", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub referral_code_writers: Option<u32>,
    /// Most requests that wait for one writer; more are asked to come again (503).
    #[arg(long, env = "GOODWORD_QUEUE_MAX", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub queue_max: u32,
    /// Most requests that are stored together; of orders at most 512.
    #[arg(long, env = "GOODWORD_BATCH_MAX", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub batch_max: u32,
    /// Milliseconds between two looks for conversions that are due, of which each evaluates at most 500; 0 leaves them to other servers.
    #[arg(long, env = "GOODWORD_EVALUATION_INTERVAL_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    pub evaluation_interval_ms: u64,
    /// Most calls that pages in browsers may make from one address in a minute.
    #[arg(long, env = "GOODWORD_VISITOR_CALLS_PER_MINUTE", default_value = "120")]
    pub visitor_calls_per_minute: NonZeroU32,
    /// Most referral codes that the widget gives to one address in an hour.
    #[arg(long, env = "GOODWORD_VISITOR_CODES_PER_HOUR", default_value = "30")]
    pub visitor_codes_per_hour: NonZeroU32,
    /// Networks of the proxies in front, such as 10.0.0.0/8,fd00::/8. Where a request comes from is read from their X-Forwarded-For; nobody
    /// else's counts.
    #[arg(long, env = "GOODWORD_TRUSTED_PROXIES", value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Milliseconds between two looks for events that are to be sent to webhooks; 0 leaves them to other servers.
    #[arg(long, env = "GOODWORD_WEBHOOK_INTERVAL_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(..=3_600_000))]
    pub webhook_interval_ms: u64,
    /// Let webhooks lead to private addresses and go without TLS. Not where merchants are not you.
    #[arg(long, env = "GOODWORD_WEBHOOK_ALLOW_PRIVATE_ADDRESSES", value_parser = BoolishValueParser::new())]
    pub webhook_allow_private_addresses: bool,
    /// Seconds that requests in flight get to finish when the server is told to stop.
    #[arg(long, env = "GOODWORD_SHUTDOWN_TIMEOUT_S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub shutdown_timeout_s: u64,
}

impl ServeArgs {
    /// How the world reaches this server, which listens on `bound`.
    pub fn public_url(&self, bound: SocketAddr) -> String {
        self.public_url.clone().unwrap_or_else(|| local_url(bound))
    }
}

/// How programs on this machine reach a server that listens on `bound`.
pub fn local_url(bound: SocketAddr) -> String {
    // "Every address" is none that a client can call.
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, bound.port()))
}

/// Reads a network, or a single address.
fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let single = text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or(single).map_err(|_| "it must look like 10.0.0.0/8 or 10.1.2.3".to_owned())
}

/// Reads how the world reaches the server.
pub fn parse_public_url(text: &str) -> Result<String, String> {
    match url::Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("it must look like https://refer.example.com".to_owned()),
    }
}
