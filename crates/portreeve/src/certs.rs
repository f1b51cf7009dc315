//! `portreeve certs`: certificates to begin with.
//!
//! Role: makes a CA of its own and signs a certificate for each service and one for the edge, so that services can run
//! apart within a minute. For trying and for small houses: whoever has a PKI gives its files to `tls.*` instead.
//! Invariants: nothing that exists is overwritten unless it is to be renewed, and the CA never; keys have mode 0600 from
//! their first moment; a file is replaced whole, so that a service which follows it never reads half of one.
//! Failure story: a CA without its key, or one that is not ours, is told before anything is signed with it.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use service_kit::{clock::Clock, tls};

use crate::{out, server::Role, show, trouble::Trouble};

/// How long the CA is good.
const CA_DAYS: u32 = 3650;

/// The longest that a certificate may be good, in days: what browsers bear.
const MAX_DAYS: i64 = 397;

/// Clocks differ: a certificate is good from a little before it was made.
const SKEW: Duration = Duration::from_secs(5 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// `certs`.
#[derive(Debug, Clone, Args)]
pub struct CertsArgs {
    /// The directory that they are written to; made where it is missing.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Make new certificates and keys for the services and the edge; the CA stays.
    #[arg(long)]
    pub renew: bool,
    /// A name or address of the edge's certificate, besides localhost; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// How long they are good, in days.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=MAX_DAYS))]
    pub days: u32,
}

/// Makes what is missing, or renews it.
///
/// # Errors
/// [`Trouble`] for a directory that cannot be used, and for a CA that is not ours.
pub fn run(args: &CertsArgs, format: show::Format) -> Result<(), Trouble> {
    let clock = Clock::system();
    fs::create_dir_all(&args.out)
        .map_err(|error| Trouble::Usage(format!("{}: {error}", args.out.display())))?;
    let mut done = Vec::new();
    let authority = Authority::open(&args.out, &clock, &mut done)?;
    for role in Role::ALL {
        let name = role.name();
        let params = leaf(vec![tls::service_name(name)], BOTH)?;
        authority.sign(name, params, args, &clock, &mut done)?;
        let certificate = args.out.join(format!("{name}.crt"));
        tls::signed_by(&authority.certificate, &certificate, &clock).map_err(|error| {
            Trouble::Usage(format!(
                "{error}; is the CA in {} ours? If it is only old, renew with --renew",
                args.out.display()
            ))
        })?;
    }
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    names.extend(args.host.iter().cloned());
    let params = leaf(names, &[ExtendedKeyUsagePurpose::ServerAuth])?;
    authority.sign("edge", params, args, &clock, &mut done)?;
    told(&args.out, &done, format)
}

/// What became of a file.
struct Done {
    path: PathBuf,
    what: &'static str,
}

fn told(directory: &Path, done: &[Done], format: show::Format) -> Result<(), Trouble> {
    if format == show::Format::Json {
        let rows: Vec<_> = done
            .iter()
            .map(|done| serde_json::json!({ "path": done.path.display().to_string(), "done": done.what }))
            .collect();
        return show::print_json(&serde_json::Value::Array(rows));
    }
    let rows: Vec<Vec<String>> = done
        .iter()
        .map(|done| vec![done.path.display().to_string(), done.what.to_owned()])
        .collect();
    out::data(show::table(&["file", "done"], &rows))?;
    let directory = directory.display();
    out::note(format!(
        "\nNext, for each service that runs alone (here intake):\n  \
         portreeve serve intake --tls-certificate {directory}/intake.crt --tls-key {directory}/intake.key --tls-ca {directory}/ca.crt\n\
         with peers.* as https://…, and the same internal-key for all. For HTTPS at the edge:\n  \
         portreeve serve gateway … --gateway-tls-certificate {directory}/edge.crt --gateway-tls-key {directory}/edge.key\n  \
         SSL_CERT_FILE={directory}/ca.crt portreeve --server https://localhost:8080 whoami\n\
         Give each machine its own files alone, and keep ca.key away from all of them. Running services take renewed\n\
         files over by themselves."
    ));
    Ok(())
}

const BOTH: &[ExtendedKeyUsagePurpose] = &[
    ExtendedKeyUsagePurpose::ServerAuth,
    ExtendedKeyUsagePurpose::ClientAuth,
];

fn leaf(
    names: Vec<String>,
    usages: &[ExtendedKeyUsagePurpose],
) -> Result<CertificateParams, Trouble> {
    let mut params = CertificateParams::default();
    let mut distinguished = DistinguishedName::new();
    if let Some(first) = names.first() {
        distinguished.push(DnType::CommonName, first.as_str());
    }
    params.distinguished_name = distinguished;
    for name in names {
        let wrong = |error| Trouble::Usage(format!("--host: '{name}' is no name: {error}"));
        let name = match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(wrong)?),
        };
        params.subject_alt_names.push(name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages.to_vec();
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// The CA of a directory.
struct Authority {
    certificate: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    expires_in: Duration,
}

impl Authority {
    /// The CA that is there, or a new one.
    fn open(directory: &Path, clock: &Clock, done: &mut Vec<Done>) -> Result<Self, Trouble> {
        let certificate = directory.join("ca.crt");
        let key = directory.join("ca.key");
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "Portreeve development CA");
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let what = match (certificate.exists(), key.exists()) {
            (true, true) => "kept",
            (false, false) => "made",
            _ => {
                return Err(Trouble::Usage(format!(
                    "{} and {} belong together, and one is missing; bring it back, or use another directory",
                    certificate.display(),
                    key.display()
                )));
            }
        };
        let pair = if what == "kept" {
            let text = crate::input::read_text(&key, MAX_FILE_BYTES)?;
            KeyPair::from_pem(&text).map_err(|error| {
                Trouble::Usage(format!("{} holds no key: {error}", key.display()))
            })?
        } else {
            let pair = KeyPair::generate().map_err(|error| failed("the CA", &error))?;
            valid(&mut params, clock, DAY * CA_DAYS);
            let signed = params
                .self_signed(&pair)
                .map_err(|error| failed("the CA", &error))?;
            put(&key, &pair.serialize_pem(), 0o600)?;
            put(&certificate, &signed.pem(), 0o644)?;
            pair
        };
        let left = left(&certificate, clock)?;
        for path in [&certificate, &key] {
            done.push(Done {
                path: path.clone(),
                what,
            });
        }
        Ok(Self {
            certificate,
            issuer: Issuer::new(params, pair),
            expires_in: left,
        })
    }

    /// A certificate and a key called `name`, where they are missing or to be renewed.
    fn sign(
        &self,
        name: &str,
        mut params: CertificateParams,
        args: &CertsArgs,
        clock: &Clock,
        done: &mut Vec<Done>,
    ) -> Result<(), Trouble> {
        let certificate = args.out.join(format!("{name}.crt"));
        let key = args.out.join(format!("{name}.key"));
        let there = certificate.exists() && key.exists();
        let what = match (there, args.renew) {
            (true, false) => "kept",
            (true, true) => "renewed",
            (false, _) => "made",
        };
        if what != "kept" {
            valid(&mut params, clock, (DAY * args.days).min(self.expires_in));
            let pair = KeyPair::generate().map_err(|error| failed(name, &error))?;
            let signed = params
                .signed_by(&pair, &self.issuer)
                .map_err(|error| failed(name, &error))?;
            put(&key, &pair.serialize_pem(), 0o600)?;
            put(&certificate, &signed.pem(), 0o644)?;
        }
        for path in [certificate, key] {
            done.push(Done { path, what });
        }
        Ok(())
    }
}

fn failed(name: &str, error: &rcgen::Error) -> Trouble {
    Trouble::local(format!("the certificate of {name}"), error)
}

/// Good from now (and a little before) for `length`.
fn valid(params: &mut CertificateParams, clock: &Clock, length: Duration) {
    let now = u64::try_from(clock.now().as_second()).unwrap_or_default();
    let now = date_time_ymd(1970, 1, 1) + Duration::from_secs(now);
    params.not_before = now - SKEW;
    params.not_after = now + length;
}

/// How long the CA is still good.
fn left(certificate: &Path, clock: &Clock) -> Result<Duration, Trouble> {
    let end = tls::certificate_expires_at(certificate)
        .map_err(|error| Trouble::Usage(error.to_string()))?;
    let left = end.map_or(DAY * CA_DAYS, |end| {
        Duration::try_from(end.duration_since(clock.now())).unwrap_or_default()
    });
    if left.is_zero() {
        return Err(Trouble::Usage(format!(
            "{} has expired; make a new CA in another directory",
            certificate.display()
        )));
    }
    Ok(left)
}

/// Writes a file whole: whoever reads meanwhile has the old one or the new one.
fn put(path: &Path, text: &str, mode: u32) -> Result<(), Trouble> {
    let told = |error: std::io::Error| Trouble::local(path.display(), error);
    let beside = path.with_extension("new");
    // Left behind by a run that was killed.
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .map_err(told)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path))
        .map_err(told)
}
