//! Enumerated values: one list of variants and the tokens they are written as.

/// Defines an enum whose variants are written as tokens, with `ALL`, `as_str` and `from_token`.
macro_rules! tokens {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $token:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The token it is written as.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $token,)+
                }
            }

            /// The value of a token, space around it aside; tokens are case-sensitive.
            pub fn from_token(token: &str) -> Option<Self> {
                match token.trim() {
                    $($token => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use tokens;

/// `xs:boolean`: also `1` and `0` (trap 14).
pub fn boolean(token: &str) -> Option<bool> {
    match token.trim() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// How a boolean is written.
pub const fn boolean_token(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// `xs:unsignedInt`: decimal digits, an optional plus sign, at most 32 bits.
pub fn unsigned(token: &str) -> Option<u32> {
    token.trim().parse().ok()
}
