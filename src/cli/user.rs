//! `plenum user`: who may register and call as one of us. Works on the store itself, whether the
//! server runs or not; a running one sees the change within a tenth of a second.

use super::table::Table;
use super::{Arguments, Failure, load, other, say};
use clap::{Args, Subcommand};
use plenum::store::{File, path};
use plenum_focus::store::{User, UserRole};
use plenum_mcu::control::Protection;
use plenum_sip::auth::{Ha1, Hash};
use plenum_sip::msg::Uri;
use rand::TryRng as _;
use rand::rngs::SysRng;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// What `plenum user` is told to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Adds a user; the password is asked for, or read from standard input.
    Add {
        /// The address: `sip:name@domain`.
        address: String,
        /// The name that others see.
        #[arg(long)]
        display: Option<String>,
        /// `user` or `operator`.
        #[arg(long, default_value = "user")]
        role: String,
        /// Whether their media may, or must, be encrypted: `never`, `optional` or `required`; without, as for everybody.
        #[arg(long, value_parser = protection)]
        protection: Option<Protection>,
        /// Makes a password and prints it instead.
        #[arg(long)]
        generate: bool,
    },
    /// Says whether the media of a user may, or must, be encrypted.
    Protect {
        /// The address: `sip:name@domain`.
        address: String,
        /// `never`, `optional` or `required`; without, as for everybody.
        #[arg(value_parser = protection)]
        protection: Option<Protection>,
    },
    /// Lists the users.
    List,
    /// Gives a user another password.
    Passwd {
        /// The address: `sip:name@domain`.
        address: String,
        /// Makes a password and prints it instead of asking for one.
        #[arg(long)]
        generate: bool,
    },
    /// Shuts a user out until `enable`.
    Disable(One),
    /// Lets a user in again.
    Enable(One),
    /// Removes a user.
    Delete(One),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The address: `sip:name@domain`.
    address: String,
}

/// Carries out `plenum user`.
pub(crate) fn run(arguments: Arguments<Order>) -> Result<(), Failure> {
    let config = load(arguments.config.as_deref())?;
    let open = || File::open(&path(&config.store.file)).map_err(other);
    match arguments.order {
        Order::Add {
            address,
            display,
            role,
            protection,
            generate,
        } => {
            let (name, domain) = parts(&address)?;
            let role = UserRole::from_name(&role)
                .ok_or_else(|| other("the role is \"user\" or \"operator\""))?;
            let password = password(generate)?;
            let user = user(name, domain, &password);
            open()?
                .add_user(&User {
                    display,
                    role,
                    protection,
                    ..user
                })
                .map_err(other)
        }
        Order::Protect {
            address,
            protection,
        } => {
            let (name, domain) = parts(&address)?;
            let file = open()?;
            file.set_protection(&name, &domain, protection)
                .map_err(other)
        }
        Order::List => list(&open()?),
        Order::Passwd { address, generate } => {
            let (name, domain) = parts(&address)?;
            let file = open()?;
            let password = password(generate)?;
            file.set_secrets(&user(name, domain, &password))
                .map_err(other)
        }
        Order::Disable(one) => disable(&open()?, &one, true),
        Order::Enable(one) => disable(&open()?, &one, false),
        Order::Delete(one) => {
            let (name, domain) = parts(&one.address)?;
            open()?.delete_user(&name, &domain).map_err(other)
        }
    }
}

fn disable(file: &File, one: &One, disabled: bool) -> Result<(), Failure> {
    let (name, domain) = parts(&one.address)?;
    file.set_disabled(&name, &domain, disabled).map_err(other)
}

fn list(file: &File) -> Result<(), Failure> {
    let users = file.users().map_err(other)?;
    let mut table = Table::new(["address", "name", "role", "media", "state"]);
    for user in users.iter() {
        let state = if user.disabled { "disabled" } else { "" };
        table.row([
            user.aor(),
            user.display.clone().unwrap_or_default(),
            user.role.name().to_owned(),
            user.protection.map_or("", Protection::name).to_owned(),
            state.to_owned(),
        ]);
    }
    say(&table.print())
}

/// Name and domain of an address, the domain in lower case.
fn parts(address: &str) -> Result<(String, String), Failure> {
    let wrong = || other("a user's address is like sip:alice@example.com");
    let uri = if address.contains(':') {
        address.to_owned()
    } else {
        format!("sip:{address}")
    };
    let uri = Uri::parse(uri.as_bytes()).map_err(|_| wrong())?;
    let name = uri.user_decoded();
    if !uri.is_sip() || name.is_empty() {
        return Err(wrong());
    }
    Ok((name, uri.host.to_string().to_ascii_lowercase()))
}

fn user(name: String, domain: String, password: &str) -> User {
    let secret = |hash| Ha1::new(hash, &name, &domain, password);
    User {
        secrets: Hash::ALL.map(secret).into(),
        name,
        domain,
        display: None,
        role: UserRole::default(),
        disabled: false,
        protection: None,
    }
}

fn protection(name: &str) -> Result<Protection, &'static str> {
    Protection::from_name(name).ok_or("it is \"never\", \"optional\" or \"required\"")
}

/// A password that nobody sees: made, asked for, or from standard input; never an argument, which
/// every process of the machine could read.
fn password(generate: bool) -> Result<String, Failure> {
    if generate {
        let made = made()?;
        say(&made)?;
        return Ok(made);
    }
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = hidden("Password: ")?;
    if hidden("Again: ")? == first {
        Ok(first)
    } else {
        Err(other("the two are not the same"))
    }
}

/// 20 letters and digits that cannot be mistaken for each other: 99 bits.
fn made() -> Result<String, Failure> {
    const SYMBOLS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut password = String::new();
    for _ in 0..20 {
        let random = SysRng.try_next_u32().map_err(other)?;
        let symbol = usize::try_from(random % 32)
            .ok()
            .and_then(|at| SYMBOLS.get(at));
        password.extend(symbol.copied().map(char::from));
    }
    Ok(password)
}

fn hidden(question: &str) -> Result<String, Failure> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let terminal = std::io::stdin();
    let shown = tcgetattr(&terminal).map_err(other)?;
    let mut quiet = shown.clone();
    quiet.local_flags.remove(LocalFlags::ECHO);
    let mut out = std::io::stderr();
    out.write_all(question.as_bytes()).map_err(other)?;
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &quiet).map_err(other)?;
    let answer = line();
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &shown).map_err(other)?;
    out.write_all(b"\n").map_err(other)?;
    answer
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(other)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(other("the password is empty"));
    }
    Ok(password)
}
