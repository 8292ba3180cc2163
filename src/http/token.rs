//! The secret that local control asks for, and the file it is kept in.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A bearer token (RFC 6750 §2.1). Never printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token of 32 random octets.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// Writes the token where only this user can read it, replacing an earlier one.
    ///
    /// # Errors
    /// The file cannot be made; the path stands in the error.
    pub fn keep(&self, path: &Path) -> io::Result<()> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        // A file that somebody else put there must not receive the secret, and a server that starts
        // at the same moment must not fail: a new file takes the place of whatever is there.
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let new = Path::new(&name);
        fs::remove_file(new).ok();
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(new);
        file.and_then(|mut file| file.write_all(self.0.as_bytes()))
            .and_then(|()| fs::rename(new, path))
            .map_err(named)
    }

    /// Reads the token a running server keeps.
    ///
    /// # Errors
    /// The file cannot be read; the path stands in the error.
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| {
            let text = format!(
                "{}: {error} (is the server running as this user?)",
                path.display()
            );
            io::Error::new(error.kind(), text)
        })?;
        Ok(Self(text.trim().to_owned()))
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether this is the value of `Authorization`. Takes the same time wherever they differ.
    #[must_use]
    pub fn is_authorization(&self, value: &[u8]) -> bool {
        let own = self.authorization();
        let differences = own.bytes().zip(value).fold(0, |sum, (a, b)| sum | (a ^ b));
        own.len() == value.len() && differences == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The file for the token: the configured one, or `plenum.token` in the first of systemd's
/// runtime directory, the user's, and the home.
#[must_use]
pub fn path(configured: &str) -> PathBuf {
    if !configured.is_empty() {
        return configured.into();
    }
    let folder = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"]
        .into_iter()
        .find_map(std::env::var_os);
    match (folder, std::env::var_os("HOME")) {
        (Some(folder), _) => PathBuf::from(folder).join("plenum.token"),
        (None, Some(home)) => PathBuf::from(home).join(".plenum.token"),
        (None, None) => PathBuf::from("plenum.token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_the_whole_token_is_accepted() {
        let token = Token::new([7; 32]);
        let right = token.authorization();
        assert!(token.is_authorization(right.as_bytes()));
        assert!(!token.is_authorization(&right.as_bytes()[..right.len() - 1]));
        assert!(!token.is_authorization(right.to_lowercase().as_bytes()));
        assert!(!token.is_authorization(b""));
        assert!(!format!("{token:?}").contains("07"));
    }

    #[test]
    fn the_file_is_private_and_new() {
        let path = std::env::temp_dir().join(format!("plenum-token-{}", std::process::id()));
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let token = Token::new([1; 32]);
        token.keep(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(
            Token::read(&path)
                .unwrap()
                .is_authorization(token.authorization().as_bytes())
        );
        fs::remove_file(&path).unwrap();
        let missing = Token::read(&path).unwrap_err().to_string();
        assert!(missing.contains("is the server running"), "{missing}");
    }
}
