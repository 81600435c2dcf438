//! Sockets: listeners, TLS, the connection guard, and who is at the other end.

pub mod settings;
