//! Every sentence of our pages that is not about a fault, in both languages. A message lacks neither
//! language, for then nothing here compiles.

use serde::Serialize;

use crate::language::Language;

macro_rules! messages {
    ($($key:ident: $en:literal, $de:literal;)*) => {
        /// The messages of one language, by key.
        #[derive(Debug, Serialize)]
        pub struct Messages {
            $(#[doc = $en] pub $key: &'static str,)*
        }

        static EN: Messages = Messages { $($key: $en,)* };

        static DE: Messages = Messages { $($key: $de,)* };

        #[cfg(test)]
        const ALL: &[(&str, &str, &str)] = &[$((stringify!($key), $en, $de),)*];
    };
}

messages! {
    app_may: "What this tool may do for you", "Was dieses Tool für Sie tun darf";
    app_may_all: "All that its package in Marketing Cloud allows.",
        "Alles, was sein Paket in Marketing Cloud erlaubt.";
    app_may_at_most: "Never more than you may do in Marketing Cloud yourself.",
        "Nie mehr, als Sie in Marketing Cloud selbst dürfen.";
    business_unit: "Business unit", "Business Unit";
    code: "Code", "Code";
    email: "E-mail", "E-Mail";
    enterprise: "Enterprise", "Enterprise-Konto";
    for_operators: "For whoever runs this tool:", "Für die Betreiber dieses Tools:";
    framed_direct: "Sign in in this frame", "In diesem Rahmen anmelden";
    framed_no_script: "Without JavaScript this page cannot go on by itself. If the frame stays empty, sign in to Marketing Cloud in a window of its own, then load this page again.",
        "Ohne JavaScript geht es hier nicht von selbst weiter. Bleibt der Rahmen leer, melden Sie sich in einem eigenen Fenster bei Marketing Cloud an, und laden Sie diese Seite dann neu.";
    framed_note: "Marketing Cloud asks for your password in a window of its own. This page goes on by itself afterwards.",
        "Marketing Cloud fragt in einem eigenen Fenster nach Ihrem Passwort. Danach geht es hier von selbst weiter.";
    framed_window: "Sign in in a new window", "In einem neuen Fenster anmelden";
    handover_note: "Close this window and go on in Marketing Cloud; load the tool there again if it does not go on by itself.",
        "Schließen Sie dieses Fenster, und machen Sie in Marketing Cloud weiter; laden Sie das Tool dort neu, wenn es nicht von selbst weitergeht.";
    idle_until: "Ends when idle", "Endet bei Untätigkeit";
    misdirected: "The request was for {asked}; this is {ours}.",
        "Die Anfrage war für {asked}; dies ist {ours}.";
    please_sign_in: "Please sign in", "Bitte melden Sie sich an";
    please_sign_in_note: "You sign in with Marketing Cloud, and come back to this page.",
        "Sie melden sich bei Marketing Cloud an und kommen auf diese Seite zurück.";
    request: "request", "Anfrage";
    session_ends: "Ends at the latest", "Endet spätestens";
    sign_in: "Sign in", "Anmelden";
    sign_in_again: "Sign in again", "Wieder anmelden";
    sign_out: "Sign out", "Abmelden";
    sign_out_ask: "Sign out of this tool?", "Von diesem Tool abmelden?";
    sign_out_note: "You stay signed in to Marketing Cloud itself.",
        "Bei Marketing Cloud selbst bleiben Sie angemeldet.";
    signed_in: "You are signed in", "Sie sind angemeldet";
    signed_in_at: "Signed in", "Angemeldet seit";
    signed_out: "You are signed out", "Sie sind abgemeldet";
    signed_out_note: "This tool has forgotten you. While you are signed in to Marketing Cloud, signing in again asks for no password.",
        "Dieses Tool hat Sie vergessen. Solange Sie bei Marketing Cloud angemeldet sind, fragt eine neue Anmeldung nach keinem Passwort.";
    signing_in: "Signing you in …", "Sie werden angemeldet …";
    streams: "Open connections", "Offene Verbindungen";
    streams_none: "none that last", "keine dauerhaften";
    streams_one: "1 that ends with this session", "1, die mit dieser Sitzung endet";
    streams_some: "{count} that end with this session", "{count}, die mit dieser Sitzung enden";
    support: "Get help", "Hilfe erhalten";
    switch: "Switch", "Wechseln";
    switch_to: "Switch to {unit}", "Zu {unit} wechseln";
    switch_unit: "Switch business unit", "Business Unit wechseln";
    tell_operators: "Send the code and the request number below to whoever runs this tool.",
        "Senden Sie den Code und die Anfragenummer unten an die Betreiber dieses Tools.";
    tenant: "Tenant", "Mandant";
    token_until: "Access renews by", "Zugriff gilt bis";
    unknown: "unknown", "unbekannt";
    user: "User", "Benutzer";
    your_account: "Your account", "Ihr Konto";
    your_session: "Your session", "Ihre Sitzung";
}

impl Messages {
    /// Those of `language`.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::De => &DE,
        }
    }
}

/// `message` with `{name}` replaced by what stands beside the name; values are not looked into.
pub fn fill(message: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, opened)) = rest.split_once('{')
        && let Some((name, after)) = opened.split_once('}')
    {
        filled.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders(message: &str) -> Vec<&str> {
        let parts = message.split('{').skip(1);
        let mut names: Vec<_> = parts
            .filter_map(|part| Some(part.split_once('}')?.0))
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn both_languages_have_the_same_places_to_fill() {
        for (key, en, de) in ALL {
            assert_eq!(placeholders(en), placeholders(de), "{key}");
            for text in [en, de] {
                assert!(!text.is_empty() && text.trim() == *text, "{key}");
                assert_eq!(
                    text.matches('{').count(),
                    text.matches('}').count(),
                    "{key}"
                );
            }
            let long = en.split(' ').count() > 3;
            assert!(!long || en != de, "{key} is not translated");
            assert_eq!(en.ends_with('.'), de.ends_with('.'), "{key}");
        }
        let keys: Vec<_> = ALL.iter().map(|(key, ..)| *key).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn values_are_filled_in_and_not_looked_into() {
        let values = [("a", "{b}"), ("b", "x")];
        assert_eq!(fill("{a} and {b}.", &values), "{b} and x.");
        assert_eq!(fill("{c}x{", &values), "x{");
        assert_eq!(fill("plain", &values), "plain");
    }
}
