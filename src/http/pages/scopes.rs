//! What an app may do, in words: Marketing Cloud's scopes, such as `email_read`, by thing and verb. The
//! list grows there, so that what is not known here is shown as it is.

use serde::Serialize;

use crate::language::Language;

/// A thing, and what may be done with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Scope {
    /// The thing; of a scope that is not known, the scope.
    pub what: String,
    /// What may be done with it; may be empty.
    pub verbs: String,
}

/// The scopes in `list`, with blanks in between, by thing in the order of their first mention.
pub(super) fn in_words(list: &str, language: Language) -> Vec<Scope> {
    let mut things: Vec<(String, Vec<&str>)> = Vec::new();
    for scope in list.split_ascii_whitespace().take(MAX_SCOPES) {
        let (what, verb) = read(scope, language).unwrap_or((scope, None));
        let known = things.iter().position(|(thing, _)| thing == what);
        let place = known.unwrap_or_else(|| {
            things.push((what.to_owned(), Vec::new()));
            things.len() - 1
        });
        let Some((_, verbs)) = things.get_mut(place) else {
            continue;
        };
        verbs.extend(verb.filter(|verb| !verbs.contains(verb)));
    }
    let scope = |(what, verbs): (String, Vec<&str>)| Scope {
        what,
        verbs: verbs.join(", "),
    };
    things.into_iter().map(scope).collect()
}

fn read(scope: &str, language: Language) -> Option<(&'static str, Option<&'static str>)> {
    let pick = |&(_, en, de): &Entry| match language {
        Language::En => en,
        Language::De => de,
    };
    let whole = THINGS.iter().find(|(name, ..)| *name == scope);
    if let Some(whole) = whole {
        return Some((pick(whole), None));
    }
    let (thing, verb) = scope.rsplit_once('_')?;
    let thing = THINGS.iter().find(|(name, ..)| *name == thing)?;
    let verb = VERBS.iter().find(|(name, ..)| *name == verb)?;
    Some((pick(thing), Some(pick(verb))))
}

/// A part of a scope, in English and in German.
type Entry = (&'static str, &'static str, &'static str);

const VERBS: &[Entry] = &[
    ("aspr", "approve and start", "freigeben und starten"),
    ("create", "create", "anlegen"),
    ("delete", "delete", "löschen"),
    ("deploy", "deploy", "bereitstellen"),
    ("execute", "run", "ausführen"),
    ("package", "pack", "packen"),
    ("post", "post", "posten"),
    ("publish", "publish", "veröffentlichen"),
    ("read", "read", "lesen"),
    ("revoke", "revoke", "widerrufen"),
    ("rotate", "rotate", "erneuern"),
    ("send", "send", "senden"),
    ("update", "change", "ändern"),
    ("view", "see", "ansehen"),
    ("write", "create and change", "anlegen und ändern"),
];

const THINGS: &[Entry] = &[
    ("accounts", "Accounts", "Konten"),
    ("approvals", "Approvals", "Freigaben"),
    ("audiences", "Audiences", "Zielgruppen"),
    ("automations", "Automations", "Automatisierungen"),
    ("calendar", "Calendar", "Kalender"),
    ("campaign", "Campaigns", "Kampagnen"),
    (
        "contact_bu_mapping",
        "Contacts' business units",
        "Business Units von Kontakten",
    ),
    ("data_extensions", "Data extensions", "Data Extensions"),
    ("deep_linking_asset", "Deep links", "Deep Links"),
    (
        "deep_linking_settings",
        "Settings of deep links",
        "Einstellungen für Deep Links",
    ),
    (
        "dfu_configure",
        "Set up data file uploads",
        "Datei-Uploads einrichten",
    ),
    (
        "documents_and_images",
        "Documents and images",
        "Dokumente und Bilder",
    ),
    ("email", "E-mails", "E-Mails"),
    (
        "event_notification_callback",
        "Addresses for event notifications",
        "Adressen für Ereignisbenachrichtigungen",
    ),
    (
        "event_notification_subscription",
        "Subscriptions to event notifications",
        "Abonnements von Ereignisbenachrichtigungen",
    ),
    ("file_locations", "File locations", "Dateispeicherorte"),
    ("journeys", "Journeys", "Journeys"),
    ("key_manage", "Keys", "Schlüssel"),
    (
        "list_and_subscribers",
        "Lists and subscribers",
        "Listen und Abonnenten",
    ),
    (
        "marketing_cloud_connect",
        "Marketing Cloud Connect",
        "Marketing Cloud Connect",
    ),
    (
        "offline",
        "Stay signed in without asking again",
        "Ohne neue Rückfrage angemeldet bleiben",
    ),
    ("openid", "See who you are", "Sehen, wer Sie sind"),
    ("ott_channels", "Chat channels", "Chat-Kanäle"),
    ("ott_chat_messaging", "Chat messages", "Chat-Nachrichten"),
    ("package_manager", "Package Manager", "Package Manager"),
    ("push", "Push messages", "Push-Nachrichten"),
    ("saved_content", "Saved content", "Gespeicherte Inhalte"),
    ("sms", "Text messages", "SMS"),
    ("social", "Social posts", "Social-Media-Beiträge"),
    ("tags", "Tags", "Tags"),
    ("tracking_events", "Tracking events", "Tracking-Ereignisse"),
    ("users", "Users", "Benutzer"),
    ("web", "Web pages", "Webseiten"),
    ("webhooks", "Webhooks", "Webhooks"),
    ("workflows", "Workflows", "Workflows"),
];

/// A package has less than a hundred.
const MAX_SCOPES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(list: &str, language: Language) -> Vec<String> {
        let scopes = in_words(list, language);
        let line = |scope: Scope| format!("{}: {}", scope.what, scope.verbs);
        scopes.into_iter().map(line).collect()
    }

    #[test]
    fn scopes_are_told_by_thing() {
        let list =
            "email_read offline  journeys_aspr email_send email_read key_manage_rotate new_thing x";
        assert_eq!(
            told(list, Language::En),
            [
                "E-mails: read, send",
                "Stay signed in without asking again: ",
                "Journeys: approve and start",
                "Keys: rotate",
                "new_thing: ",
                "x: ",
            ]
        );
        let german = told(list, Language::De);
        assert_eq!(
            german.first().map(String::as_str),
            Some("E-Mails: lesen, senden")
        );
        assert!(told("", Language::En).is_empty());
    }

    #[test]
    fn every_scope_that_marketing_cloud_documents_has_words() {
        for list in KNOWN {
            let (thing, verbs) = list.split_once(' ').unwrap_or((list, ""));
            for verb in verbs.split(' ') {
                let scope = format!("{thing}_{verb}");
                let scope = scope.trim_end_matches('_');
                for language in Language::ALL {
                    assert!(read(scope, language).is_some(), "{scope}");
                }
            }
        }
    }

    const KNOWN: &[&str] = &[
        "offline",
        "openid",
        "accounts read write",
        "approvals read write",
        "audiences read write",
        "automations read write execute",
        "calendar read write",
        "campaign read write",
        "contact_bu_mapping view create update delete",
        "data_extensions read write",
        "deep_linking_asset read write delete",
        "deep_linking_settings read write",
        "dfu_configure",
        "documents_and_images read write",
        "email read write send",
        "event_notification_callback create read update delete",
        "event_notification_subscription create read update delete",
        "file_locations read write",
        "journeys read write execute delete aspr",
        "key_manage view rotate revoke",
        "list_and_subscribers read write",
        "marketing_cloud_connect read write send",
        "ott_channels read write",
        "ott_chat_messaging read send",
        "package_manager package deploy",
        "push read write send",
        "saved_content read write",
        "sms read write send",
        "social read write publish post",
        "tags read write",
        "tracking_events read write",
        "users read write",
        "web read write publish",
        "webhooks read write",
        "workflows read write",
    ];
}
