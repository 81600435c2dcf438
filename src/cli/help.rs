//! What `--help` says after the options: examples, variables, exit codes.

/// The whole program.
pub(super) const PROGRAM: &str = "\
Examples:
  sidegate demo                                  everything on this machine, no account needed
  sidegate init                                  writes a configuration from a few answers
  sidegate import oauth2-proxy.cfg > sidegate.yaml
  sidegate check && sidegate doctor && sidegate serve

Environment:
  SIDEGATE_CONFIG         the configuration, where --config is not given
  SIDEGATE__SECTION__KEY  overrides a key: SIDEGATE__MARKETING_CLOUD__CLIENT_ID=…
  NO_COLOR                no colours, if it is set to anything

Exit codes:
  0   done
  64  the command line is wrong
  69  something needed is not available: an address, the provider, a directory
  70  the system or this program failed
  78  the configuration is wrong

Each failure names a code (SG-…); deploy/docs/errors.md tells what to do about it.";

/// `serve`.
pub(super) const SERVE: &str = "\
Examples:
  sidegate serve --config /etc/sidegate/sidegate.yaml
  SIDEGATE__LOG__LEVEL=debug sidegate serve

Signals:
  SIGTERM, SIGINT  readiness goes red, what is in hand is finished, then the end (timeouts.drain)
  SIGUSR2          starts the program anew with the same sockets; this one ends once that serves

Environment:
  SIDEGATE_CONFIG         the configuration, where --config is not given
  SIDEGATE__SECTION__KEY  overrides a key of it
  LISTEN_FDS, NOTIFY_SOCKET  as systemd sets them

Exit codes:
  0   told to stop, and stopped
  69  an address cannot be listened on
  70  the system refuses threads, signals or memory
  78  the configuration is wrong; each problem is printed";

/// `demo`.
pub(super) const DEMO: &str = "\
Examples:
  sidegate demo
  sidegate demo --port 9000 --open

Exit codes:
  0   told to stop
  69  the port is taken";

/// `sandbox`.
pub(super) const SANDBOX: &str = "\
Examples:
  sidegate sandbox
  sidegate sandbox --auto-sign-in ada --access-token-lifetime 30s
  sidegate init --sandbox http://127.0.0.1:9100 --yes      a configuration for it

Exit codes:
  0   told to stop
  69  the address is taken";

/// `check`.
pub(super) const CHECK: &str = "\
Examples:
  sidegate check
  sidegate check --strict --config sidegate.yaml     for a pipeline: risks fail it too
  sidegate check --json | jq .problems

Exit codes:
  0   it can be used
  78  it cannot, or with --strict it takes risks";

/// `doctor`.
pub(super) const DOCTOR: &str = "\
Examples:
  sidegate doctor
  sidegate doctor --json > report.json

Exit codes:
  0   all is well, or only warnings
  69  something that the gateway needs does not answer
  78  the configuration has to be changed";

/// `explain`.
pub(super) const EXPLAIN: &str = "\
Examples:
  sidegate explain GET /mc/rest/asset/v1/content/assets --signed-in
  sidegate explain POST /api/save -H 'Origin: https://evil.example' --signed-in
  sidegate explain GET https://tool.example.com/ -H 'Accept: text/html' --json

Exit codes:
  0   told
  64  no request can be made of that
  78  the configuration is wrong";

/// `schema`.
pub(super) const SCHEMA: &str = "\
Example:
  sidegate schema > sidegate.schema.json
  # yaml-language-server: $schema=sidegate.schema.json     the first line of sidegate.yaml";

/// `keygen`.
pub(super) const KEYGEN: &str = "\
Example:
  (umask 077; sidegate keygen > session-key)";

/// `ready`.
pub(super) const READY: &str = "\
Examples:
  sidegate ready
  sidegate ready 127.0.0.1:9901 && echo ready

Exit codes:
  0   it is ready
  69  it is not, or does not answer";

/// `init`.
pub(super) const INIT: &str = "\
On a terminal it asks, with a default for most; in a pipe or with --yes it takes what is given and the
defaults. It writes sidegate.yaml, session-key and client-secret (both 0600) all at once or not at all, and
never writes over a configuration without --force. A session key that is there is kept: a new one would sign
everybody out.

Examples:
  sidegate init
  sidegate init --dir conf --public-url https://tool.example.com --subdomain mc563885gzs27c5t9-63k636ttgm \\
      --client-id vqwyswrlzzfk024ivr682esb --client-secret-stdin --upstream http://127.0.0.1:3000 --yes < secret
  sidegate init --sandbox http://127.0.0.1:9100 --yes

Exit codes:
  0   written
  64  an answer is missing or wrong, or a file is in the way
  69  the directory cannot be written to";

/// `import`.
pub(super) const IMPORT: &str = "\
The configuration goes to standard output, with a comment on every option that was given. What has no
equivalent, or means something else here, goes to standard error as well, with why and what to do. Secrets
are never printed: they become files or variables, and the comment says which.

Examples:
  sidegate import oauth2-proxy.cfg > sidegate.yaml
  sidegate import oauth2-proxy.cfg --alpha-config alpha.yaml > sidegate.yaml
  sidegate import --env > sidegate.yaml                     OAUTH2_PROXY_… of this environment
  sidegate import oauth2-proxy.cfg -- --email-domain=example.com --upstream=http://127.0.0.1:3000
  sidegate check --config sidegate.yaml                     names what is left to fill in

Exit codes:
  0   written, however much has no equivalent
  64  nothing to import was named
  78  the source cannot be read";

/// `completions`.
pub(super) const COMPLETIONS: &str = "\
Examples:
  sidegate completions bash > /usr/share/bash-completion/completions/sidegate
  sidegate completions zsh > /usr/share/zsh/site-functions/_sidegate
  sidegate completions fish > ~/.config/fish/completions/sidegate.fish
  source <(sidegate completions bash)                       for this shell only";

/// `man`.
pub(super) const MAN: &str = "\
Examples:
  sidegate man | man -l -
  sidegate man /usr/share/man/man1                          sidegate.1, sidegate-serve.1, …";
