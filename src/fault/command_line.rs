//! What goes wrong with a command before or beside the gateway: for terminals, not for clients.

/// Why a command did not do what it was asked for, or what it could not take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommandFault {
    /// The arguments are not what the command takes.
    Usage,
    /// The system refuses what every program needs.
    System,
    /// An address is taken or not allowed.
    CannotListen,
    /// `ready` found no gateway, or one that is not ready.
    NotReady,
    /// `explain` cannot make a request of what it was told.
    Question,
    /// What the configuration names cannot be put to use.
    Unusable,
    /// The sockets that a supervisor passes are not what they should be.
    PassedSockets,
    /// A file or directory cannot be written.
    CannotWrite,
    /// `init` would write over something.
    InTheWay,
    /// `init` lacks an answer and has nobody to ask.
    AnswerMissing,
    /// `init` was given an answer that a configuration cannot have.
    AnswerRefused,
    /// The interview ended before its last question.
    Interrupted,
    /// `import` cannot read its source.
    SourceUnreadable,
    /// The source is not in the format that it should have.
    SourceMalformed,
    /// An option for which there is nothing here.
    NoEquivalent,
    /// An option that is taken over, and means something else here.
    MeansElse,
    /// Something that the source cannot tell.
    FillIn,
    /// A name that oauth2-proxy does not have.
    UnknownOption,
}

impl CommandFault {
    /// Every one, for tables and tests.
    pub const ALL: [Self; 18] = [
        Self::Usage,
        Self::System,
        Self::CannotListen,
        Self::NotReady,
        Self::Question,
        Self::Unusable,
        Self::PassedSockets,
        Self::CannotWrite,
        Self::InTheWay,
        Self::AnswerMissing,
        Self::AnswerRefused,
        Self::Interrupted,
        Self::SourceUnreadable,
        Self::SourceMalformed,
        Self::NoEquivalent,
        Self::MeansElse,
        Self::FillIn,
        Self::UnknownOption,
    ];

    /// The code as printed. Stable, and never given a second meaning.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Usage => "SG-6601",
            Self::System => "SG-6602",
            Self::CannotListen => "SG-6603",
            Self::NotReady => "SG-6604",
            Self::Question => "SG-6605",
            Self::Unusable => "SG-6606",
            Self::PassedSockets => "SG-6607",
            Self::CannotWrite => "SG-6608",
            Self::InTheWay => "SG-6610",
            Self::AnswerMissing => "SG-6611",
            Self::AnswerRefused => "SG-6612",
            Self::Interrupted => "SG-6613",
            Self::SourceUnreadable => "SG-6620",
            Self::SourceMalformed => "SG-6621",
            Self::NoEquivalent => "SG-6622",
            Self::MeansElse => "SG-6623",
            Self::FillIn => "SG-6624",
            Self::UnknownOption => "SG-6625",
        }
    }

    /// The exit code of the command; `None` for what is only told on the way.
    pub const fn exit(self) -> Option<u8> {
        match self {
            Self::Usage
            | Self::Question
            | Self::InTheWay
            | Self::AnswerMissing
            | Self::AnswerRefused
            | Self::Interrupted => Some(64),
            Self::CannotListen | Self::NotReady | Self::PassedSockets | Self::CannotWrite => {
                Some(69)
            }
            Self::System => Some(70),
            Self::Unusable | Self::SourceUnreadable | Self::SourceMalformed => Some(78),
            Self::NoEquivalent | Self::MeansElse | Self::FillIn | Self::UnknownOption => None,
        }
    }

    /// What happened, in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Usage => "The command line cannot be read",
            Self::System => "The system refuses what the program needs",
            Self::CannotListen => "An address cannot be listened on",
            Self::NotReady => "The gateway does not answer, or is not ready",
            Self::Question => "The request that is asked about cannot be made",
            Self::Unusable => "What the configuration names cannot be used",
            Self::PassedSockets => "The sockets that were passed are not as they should be",
            Self::CannotWrite => "A file cannot be written",
            Self::InTheWay => "A file is in the way",
            Self::AnswerMissing => "An answer is missing, and nobody can be asked",
            Self::AnswerRefused => "An answer cannot be used",
            Self::Interrupted => "The interview ended early",
            Self::SourceUnreadable => "The configuration to import cannot be read",
            Self::SourceMalformed => "The configuration to import is malformed",
            Self::NoEquivalent => "An option has no equivalent",
            Self::MeansElse => "An option means something else here",
            Self::FillIn => "A value has to be filled in",
            Self::UnknownOption => "An option is unknown to oauth2-proxy",
        }
    }

    /// The one thing to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Usage => "See `sidegate --help`, or `--help` after the command.",
            Self::System => {
                "Give the program threads, memory and open files, and start it again; what it says names what it did not get."
            }
            Self::CannotListen => {
                "Stop the program that has the address, or choose another: `listen` and `admin_listen` in the file, `--listen` or `--port` of the command. Ports below 1024 need a right of their own."
            }
            Self::NotReady => {
                "Ask the address of `admin_listen`; `/readyz` there says why it is not ready."
            }
            Self::Question => {
                "Give a method, a URL or a path that begins with a slash, and each field as `-H 'Name: value'`."
            }
            Self::Unusable => {
                "Mend the file or key that the message names; `sidegate check` and `sidegate doctor` tell more."
            }
            Self::PassedSockets => {
                "Compare the socket unit's names and addresses with `listen` and `admin_listen`."
            }
            Self::CannotWrite => "Choose a directory that exists and may be written to.",
            Self::InTheWay => {
                "Choose another directory with `--dir`, or give `--force` to write the configuration anew; a session key that cannot be read is never replaced: repair it, or move it away, and everybody signs in anew."
            }
            Self::AnswerMissing => {
                "Give the flag that the message names, or run the command on a terminal without `--yes`."
            }
            Self::AnswerRefused => "Correct the value that the message names.",
            Self::Interrupted => "Start again; nothing was written.",
            Self::SourceUnreadable => {
                "Name the file of oauth2-proxy, or `--alpha-config FILE`, or `--env`."
            }
            Self::SourceMalformed => {
                "Correct the place that the message names; oauth2-proxy would refuse it too, or wants it simpler: no anchors, one document."
            }
            Self::NoEquivalent => "Do what the message says instead, or decide to go without.",
            Self::MeansElse => "Read what differs before you rely on it.",
            Self::FillIn => {
                "Replace the placeholder in the written file; `sidegate check` names each that is left."
            }
            Self::UnknownOption => {
                "Look for a slip of the pen; if the option is real, it is newer than this program."
            }
        }
    }
}
