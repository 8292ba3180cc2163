//! Where the server keeps what has to survive a restart and nobody wrote: certificates it made,
//! users.

use std::env;
use std::path::PathBuf;

/// The folder: `$STATE_DIRECTORY` as systemd sets it, else `$XDG_STATE_HOME/plenum`, else
/// `~/.local/state/plenum`, else `/var/lib/plenum`. It may not exist yet.
#[must_use]
pub fn folder() -> PathBuf {
    choose(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

fn choose(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    // systemd lists several with colons; the first is the one of the unit.
    let of_unit = variable("STATE_DIRECTORY");
    let of_unit = of_unit.and_then(|all| all.split(':').next().map(PathBuf::from));
    let of_user = || variable("XDG_STATE_HOME").map(|base| PathBuf::from(base).join("plenum"));
    let of_home = || variable("HOME").map(|home| PathBuf::from(home).join(".local/state/plenum"));
    let chosen = of_unit.or_else(of_user).or_else(of_home);
    chosen.unwrap_or_else(|| PathBuf::from("/var/lib/plenum"))
}

#[cfg(test)]
mod tests {
    use super::choose;
    use std::path::Path;

    #[test]
    fn the_folder_is_the_units_before_the_users() {
        let all = |name: &str| {
            let value = match name {
                "STATE_DIRECTORY" => "/var/lib/conference:/other",
                "XDG_STATE_HOME" => "/xdg",
                _ => "/home/ann",
            };
            Some(value.to_owned())
        };
        assert_eq!(choose(all), Path::new("/var/lib/conference"));
        let user = |name: &str| all(name).filter(|_| name != "STATE_DIRECTORY");
        assert_eq!(choose(user), Path::new("/xdg/plenum"));
        let home = |name: &str| all(name).filter(|_| name == "HOME");
        assert_eq!(choose(home), Path::new("/home/ann/.local/state/plenum"));
        assert_eq!(choose(|_| None), Path::new("/var/lib/plenum"));
    }
}
