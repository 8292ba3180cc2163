//! The namespaces of C3P and of the conference documents.

/// A vocabulary that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ns {
    /// Requests, responses, commands and keys.
    Cccp,
    /// Extensions of C3P: `mcuUri`, diagnostics and connection information.
    Mscp,
    /// The conference document of RFC 4575.
    Ci,
    /// The separator between groups of extensions (CB-272).
    Cis,
    /// Extensions of the conference document.
    Msci,
    /// Further extensions of the conference document: what a client can do in a lobby.
    Msci2,
    /// The audio and video mixer.
    Msav,
    /// The application sharing MCU.
    Msas,
    /// The web conferencing MCU.
    Msdata,
    /// The instant messaging MCU.
    Msim,
    /// The audio conferencing provider.
    Msacp,
    /// What several kinds of MCU have in common.
    Msmcu,
    /// Our own: who is speaking and who shows slides, which neither RFC 4575 nor MS-CONFBAS has a word for.
    Talk,
    /// Our own: which layout somebody has, and who is in its panes.
    Pictures,
}

impl Ns {
    /// Every one, in the order in which they are declared in documents.
    pub const ALL: [Self; 14] = [
        Self::Cccp,
        Self::Mscp,
        Self::Ci,
        Self::Cis,
        Self::Msci,
        Self::Msci2,
        Self::Msav,
        Self::Msas,
        Self::Msdata,
        Self::Msim,
        Self::Msacp,
        Self::Msmcu,
        Self::Talk,
        Self::Pictures,
    ];

    /// The name of the namespace.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Cccp => "urn:ietf:params:xml:ns:cccp",
            Self::Mscp => "http://schemas.microsoft.com/rtc/2005/08/cccpextensions",
            Self::Ci => "urn:ietf:params:xml:ns:conference-info",
            Self::Cis => "urn:ietf:params:xml:ns:conference-info-separator",
            Self::Msci => "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions",
            Self::Msci2 => "http://schemas.microsoft.com/rtc/2008/12/confinfoextensions",
            Self::Msav => "http://schemas.microsoft.com/rtc/2005/08/avconfinfoextensions",
            Self::Msas => "http://schemas.microsoft.com/rtc/2005/08/asconfinfoextensions",
            Self::Msdata => "http://schemas.microsoft.com/rtc/2005/08/dataconfinfoextensions",
            Self::Msim => "http://schemas.microsoft.com/rtc/2005/08/imconfinfoextensions",
            Self::Msacp => "http://schemas.microsoft.com/rtc/2005/08/acpconfinfoextensions",
            Self::Msmcu => "http://schemas.microsoft.com/rtc/2009/03/commonmcuextensions",
            Self::Talk => "urn:plenum:params:xml:ns:talk",
            Self::Pictures => "urn:plenum:params:xml:ns:pictures",
        }
    }

    /// The prefix that we write.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Cccp => "cccp",
            Self::Mscp => "mscp",
            Self::Ci => "ci",
            Self::Cis => "cis",
            Self::Msci => "msci",
            Self::Msci2 => "msci2",
            Self::Msav => "msav",
            Self::Msas => "msas",
            Self::Msdata => "msdata",
            Self::Msim => "msim",
            Self::Msacp => "msacp",
            Self::Msmcu => "msmcu",
            Self::Talk => "talk",
            Self::Pictures => "pictures",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The namespace of a name that was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Namespace {
    /// None.
    Unqualified,
    /// One that is known here.
    Known(Ns),
    /// Any other.
    Foreign(Box<str>),
}

impl Namespace {
    /// The namespace of this name.
    ///
    /// Printed examples anonymise the host of the vendor's namespaces; both spellings are read as
    /// the same namespace (trap 2), the vendor's is written.
    pub fn of(uri: &str) -> Self {
        const ANONYMISED: &str = "http://schemas.fabrikam.com/rtc/";
        const GENUINE: &str = "http://schemas.microsoft.com/rtc/";
        let known = |ns: &Ns| match uri.strip_prefix(ANONYMISED) {
            Some(rest) => ns.uri().strip_prefix(GENUINE) == Some(rest),
            None => ns.uri() == uri,
        };
        match Ns::ALL.into_iter().find(known) {
            Some(ns) => Self::Known(ns),
            None if uri.is_empty() => Self::Unqualified,
            None => Self::Foreign(uri.into()),
        }
    }
}

impl From<Ns> for Namespace {
    fn from(ns: Ns) -> Self {
        Self::Known(ns)
    }
}

/// A set of known namespaces: those that a fragment needs declared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces(u16);

impl Namespaces {
    /// The empty set.
    pub const fn none() -> Self {
        Self(0)
    }

    /// Adds one.
    pub const fn insert(&mut self, ns: Ns) {
        self.0 |= ns.bit();
    }

    /// Adds all of another set.
    pub const fn extend(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether it is in the set.
    pub const fn contains(self, ns: Ns) -> bool {
        self.0 & ns.bit() != 0
    }

    /// Those in the set, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Ns> {
        Ns::ALL.into_iter().filter(move |&ns| self.contains(ns))
    }
}
