//! What is said about each fault in German: title and advice. The compiler asks for every one.

use super::EnvelopeFault;
use super::Fault;

/// Title and advice.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn text(fault: Fault) -> (&'static str, &'static str) {
    match fault {
        Fault::MalformedRequest => (
            "Die Anfrage ist fehlerhaft",
            "Senden Sie eine Anfrage, die der Grammatik von HTTP folgt; ein Browser tut das immer.",
        ),
        Fault::AmbiguousTarget => (
            "Die Adresse lässt sich auf zwei Arten lesen",
            "Schreiben Sie den Pfad ohne Punkt-Segmente, leere Segmente, umgekehrte Schrägstriche, Semikolons und kodierte Trennzeichen.",
        ),
        Fault::UnknownHost => (
            "Dieser Host wird hier nicht bedient",
            "Verwenden Sie die Adresse in `public_url` oder einen Host der `tenants`; ein vorgelagerter Proxy muss den Host-Header unverändert weitergeben.",
        ),
        Fault::NoRoute => (
            "Unter dieser Adresse gibt es nichts",
            "Prüfen Sie den Pfad, oder ergänzen Sie in der Konfiguration eine Route dafür.",
        ),
        Fault::MethodNotAllowed => (
            "Diese Methode wird hier nicht bedient",
            "Verwenden Sie eine der Methoden im Header Allow.",
        ),
        Fault::CrossSite => (
            "Die Anfrage kommt möglicherweise von einer anderen Website",
            "Senden Sie ändernde Anfragen von einer Seite dieses Origins; andere Programme setzen einen Origin-Header, der ihm gleicht.",
        ),
        Fault::BodyTooLarge => (
            "Der Inhalt der Anfrage ist zu groß",
            "Senden Sie weniger auf einmal. Wer dieses Tool betreibt: `limits.body_size` oder `body_size` der Route.",
        ),
        Fault::HeadTooLarge => (
            "Die Header der Anfrage sind zu groß",
            "Löschen Sie die Cookies dieser Website. Wer dieses Tool betreibt: `limits.head_size` und `limits.header_count`.",
        ),
        Fault::RequestTimeout => (
            "Die Anfrage kam nicht rechtzeitig an",
            "Senden Sie sie noch einmal. Wer dieses Tool betreibt: `timeouts.head` legt fest, wie lange die Header dauern dürfen.",
        ),
        Fault::BadUpgrade => (
            "Das Upgrade ist kein WebSocket-Handshake",
            "Senden Sie Connection, Upgrade, Sec-WebSocket-Key und Sec-WebSocket-Version: 13, und keinen Inhalt (RFC 6455 4.1).",
        ),
        Fault::TargetTooLong => (
            "Die Adresse ist zu lang",
            "Kürzen Sie sie, oder senden Sie die Parameter im Inhalt der Anfrage. Wer dieses Tool betreibt: `limits.target_length`.",
        ),
        Fault::BodyTooSlow => (
            "Der Inhalt der Anfrage kam nicht weiter an",
            "Senden Sie sie noch einmal. Wer dieses Tool betreibt: `timeouts.body_progress` legt fest, wie lange ein Inhalt stocken darf.",
        ),
        Fault::UnexpectedBody => (
            "Eine Anfrage mit GET oder HEAD hat einen Inhalt",
            "Senden Sie den Inhalt mit POST, PUT, PATCH oder DELETE: Server sind sich sonst nicht einig, ob es ihn gibt (RFC 9110 9.3.1).",
        ),
        Fault::Isolated => (
            "Andere Websites dürfen auf diese Adresse nur verlinken",
            "Öffnen Sie die Adresse selbst; wer dieses Tool betreibt, kann den Origin der anderen Seite in `allowed_origins` aufnehmen.",
        ),
        Fault::TooManyAtOnce => (
            "Zu viele Anfragen gleichzeitig",
            "Warten Sie, bis einige Ihrer Anfragen fertig sind. Wer dieses Tool betreibt: `limits.per_user` und `limits.per_tenant` legen fest, wie viele gleichzeitig laufen dürfen.",
        ),
        Fault::RateLimited => (
            "Zu viele Anmeldungen von Ihrer Adresse",
            "Warten Sie einen Moment, und versuchen Sie es noch einmal. Wer dieses Tool betreibt: Teilen sich viele Personen eine Adresse, erhöhen Sie `rate_limits`, oder nennen Sie den vorgelagerten Proxy in `trusted_proxies`.",
        ),
        Fault::Envelope(fault) => envelope(fault),
        Fault::SignInRequired => (
            "Bitte melden Sie sich an",
            "Öffnen Sie `login_url` im Fenster des Browsers, und versuchen Sie es dann noch einmal.",
        ),
        Fault::ForeignCallback => (
            "Diese Anmeldung wurde nicht hier begonnen oder hat zu lange gedauert",
            "Beginnen Sie bei der Adresse des Tools von vorn, im selben Browser und innerhalb von zehn Minuten; Cookies müssen erlaubt sein.",
        ),
        Fault::MalformedCallback => (
            "Die Antwort der Anmeldeseite ist unvollständig",
            "Beginnen Sie bei der Adresse des Tools von vorn.",
        ),
        Fault::AccessDenied => (
            "Der Zugriff wurde verweigert",
            "Melden Sie sich mit einem anderen Benutzer an, oder bitten Sie Ihre Marketing-Cloud-Administration um Zugriff.",
        ),
        Fault::UserNotLicensed => (
            "Ihr Benutzer ist für dieses Tool nicht lizenziert",
            "Bitten Sie Ihre Marketing-Cloud-Administration, Ihren Benutzer im Reiter „Access“ des Pakets zu lizenzieren; die Änderung wirkt nach bis zu fünf Minuten.",
        ),
        Fault::UnauthorizedClient => (
            "Das Paket darf niemanden anmelden",
            "Wer dieses Tool betreibt: Das installierte Paket braucht eine Integration vom Typ Web App oder Public App, nicht Server-to-Server. Eine Änderung in Setup wirkt nach bis zu fünf Minuten.",
        ),
        Fault::InvalidScope => (
            "Eine angeforderte Berechtigung gehört nicht zum Paket",
            "Wer dieses Tool betreibt: `marketing_cloud.scope` darf nur Scopes des Pakets nennen, oder lassen Sie den Schlüssel weg. Eine Änderung in Setup wirkt nach bis zu fünf Minuten.",
        ),
        Fault::AuthorizeRefused => (
            "Marketing Cloud lehnt die Anmeldeanfrage ab",
            "Wer dieses Tool betreibt: Vergleichen Sie Client-ID und Redirect-URI Zeichen für Zeichen mit dem installierten Paket. Eine Änderung in Setup wirkt nach bis zu fünf Minuten.",
        ),
        Fault::ProviderError => (
            "Marketing Cloud meldet einen Fehler",
            "Versuchen Sie es in einigen Minuten noch einmal; bleibt der Fehler, nennen Sie Code und Anfragenummer den Betreibern dieses Tools.",
        ),
        Fault::CodeRefused => (
            "Die Anmeldung wurde schon verwendet oder hat zu lange gedauert",
            "Beginnen Sie bei der Adresse des Tools von vorn.",
        ),
        Fault::ClientRefused => (
            "Marketing Cloud erkennt die Zugangsdaten dieses Tools nicht an",
            "Wer dieses Tool betreibt: Prüfen Sie Client-ID, Client-Typ und Secret; ein Secret läuft 180 Tage nach seiner Erstellung ab. Eine Änderung in Setup wirkt nach bis zu fünf Minuten.",
        ),
        Fault::BadProviderReply => (
            "Die Antwort von Marketing Cloud ist nicht verwendbar",
            "Versuchen Sie es noch einmal; bleibt der Fehler, nennen Sie Code und Anfragenummer den Betreibern dieses Tools.",
        ),
        Fault::OutsideFence => (
            "An die Adresse des Mandanten dürfen keine Token gehen",
            "Wer dieses Tool betreibt: Stimmt der Host, den das Log nennt, nehmen Sie ihn in `marketing_cloud.instance_hosts` auf.",
        ),
        Fault::ProviderUnavailable => (
            "Marketing Cloud ist im Moment nicht erreichbar",
            "Versuchen Sie es in einigen Sekunden noch einmal.",
        ),
        Fault::ForeignTenant => (
            "Die Anmeldung kam von einem anderen Mandanten zurück",
            "Melden Sie sich mit einem Benutzer des Marketing-Cloud-Kontos dieses Tools an.",
        ),
        Fault::SessionTooLarge => (
            "Die Sitzung passt nicht in die Cookies des Browsers",
            "Wer dieses Tool betreibt: Fordern Sie weniger Scopes an, damit die Token kürzer werden; das Log nennt, was sie füllt.",
        ),
        Fault::SessionLost => (
            "Ihr Browser behält die Sitzung nicht",
            "Erlauben Sie Cookies für diese Website. Wer dieses Tool betreibt: Ein vorgelagerter Proxy muss Set-Cookie durchlassen und Header-Zeilen von 8 KB.",
        ),
        Fault::SessionRefused => (
            "Ihre Sitzung kommt zurück, wird aber nicht anerkannt",
            "Wer dieses Tool betreibt: Alle Gateways hinter dieser Adresse brauchen dieselben `session.keys` und übereinstimmende Uhren.",
        ),
        Fault::SessionCut => (
            "Nur ein Teil Ihrer Sitzung kommt zurück",
            "Löschen Sie die Cookies dieser Website, und versuchen Sie es noch einmal. Wer dieses Tool betreibt: Die Sitzung ist möglicherweise zu groß für einen vorgelagerten Proxy.",
        ),
        Fault::SessionEnded => (
            "Marketing Cloud beendet Ihre Sitzung sofort wieder",
            "Wer dieses Tool betreibt: Das Log zeigt, was Marketing Cloud auf die Erneuerung des Tokens geantwortet hat.",
        ),
        Fault::InsecureFront => (
            "Diese Adresse muss mit https geöffnet werden",
            "Öffnen Sie sie mit https://. Wer dieses Tool betreibt: Der vorgelagerte Proxy sagt `X-Forwarded-Proto: http`, `public_url` ist aber https.",
        ),
        Fault::FormNotSent => (
            "Das Formular wurde nicht gesendet",
            "Ihre Sitzung ist beendet. Melden Sie sich an, und senden Sie das Formular noch einmal; auf der vorigen Seite stehen Ihre Eingaben vielleicht noch.",
        ),
        Fault::ClocksDiffer => (
            "Die Uhren der Gateways dieses Tools gehen verschieden",
            "Wer dieses Tool betreibt: Stellen Sie die Uhren aller Gateways hinter dieser Adresse mit NTP; eine Sitzung des einen ist für das andere schon abgelaufen.",
        ),
        Fault::SessionDoubled => (
            "Ihr Browser sendet zwei Sitzungen auf einmal",
            "Löschen Sie die Cookies dieser Website und ihrer übergeordneten Domain, und melden Sie sich dann noch einmal an.",
        ),
        Fault::TenantNotAdmitted => (
            "Ihr Marketing-Cloud-Konto darf dieses Tool nicht verwenden",
            "Bitten Sie die Betreiber dieses Tools, die Subdomain Ihres Kontos in `marketing_cloud.partner.tenants` aufzunehmen.",
        ),
        Fault::TenantsMixed => (
            "Marketing Cloud antwortete mit der Adresse eines anderen Kontos",
            "Versuchen Sie es noch einmal; bleibt der Fehler, nennen Sie Code und Anfragenummer den Betreibern dieses Tools: Der Host steht im Log.",
        ),
        Fault::UnitDenied => (
            "Sie haben keinen Zugriff auf diese Business Unit",
            "Sie sind weiterhin in Ihrer bisherigen Business Unit. Bitten Sie Ihre Marketing-Cloud-Administration um Zugriff auf die andere; eine Änderung wirkt nach bis zu fünf Minuten.",
        ),
        Fault::OtherUnit => (
            "Diese Adresse gehört zu einer anderen Business Unit",
            "Wechseln Sie in deren Business Unit, und kommen Sie zurück.",
        ),
        Fault::UnitOvertaken => (
            "Nach Ihrem Wechsel der Business Unit kam noch einer",
            "Sehen Sie nach, in welcher Business Unit Sie jetzt sind, und wechseln Sie noch einmal, wenn es nicht die gewünschte ist.",
        ),
        Fault::UnitMalformed => (
            "Das ist keine Business Unit",
            "Geben Sie die MID, eine Zahl, als `account_id` an: in JSON oder in einem Formular.",
        ),
        Fault::OtherEnterprise => (
            "Diese Adresse ist nicht für Ihr Enterprise-Konto",
            "Melden Sie sich ab und dann mit einem Benutzer eines Enterprise-Kontos an, das sie verwenden darf.",
        ),
        Fault::OtherEmailDomain => (
            "Diese Adresse ist nicht für Ihre E-Mail-Domain",
            "Melden Sie sich ab und dann mit einem Benutzer an, dessen E-Mail-Adresse sie verwenden darf.",
        ),
        Fault::PermissionMissing => (
            "Ihnen fehlt eine Berechtigung für diese Adresse",
            "Bitten Sie Ihre Marketing-Cloud-Administration darum, und melden Sie sich dann ab und wieder an; oder wechseln Sie in eine Business Unit, in der Sie sie haben.",
        ),
        Fault::UnitFixed => (
            "Diese Sitzung bleibt in ihrer Business Unit",
            "Sie sind weiterhin in Ihrer bisherigen Business Unit. Wer dieses Tool betreibt: Ein Wechsel braucht ein Refresh-Token; ergänzen Sie im Paket den Scope `offline`, und in `marketing_cloud.scope`, falls gesetzt.",
        ),
        Fault::LegacySignIn => (
            "Das Paket meldet auf die alte Art an",
            "Wer dieses Tool betreibt: Marketing Cloud sendet ein signiertes Token; legen Sie ein Enhanced Package mit API-Integration an, mit dieser Adresse als Login-Endpunkt.",
        ),
        Fault::FrameCookies => (
            "Ihr Browser behält in diesem Rahmen keine Cookies",
            "Öffnen Sie das Tool in einem eigenen Fenster, oder verwenden Sie einen Browser mit partitionierten Cookies (CHIPS), und erlauben Sie die dieser Website.",
        ),
        Fault::HandoverRefused => (
            "Die Anmeldung des anderen Fensters ist nicht für diesen Rahmen",
            "Laden Sie das Tool in Marketing Cloud noch einmal; was ein Fenster übergibt, gilt eine Minute lang und einmal.",
        ),
        Fault::JourneyUnsigned => (
            "Der Aufruf ist nicht vom Paket dieses Tools signiert",
            "Wer dieses Tool betreibt: Setzen Sie useJwt: true in der config.json der Aktivität, und das Signing Secret des Pakets in `marketing_cloud.jwt_signing_secret`.",
        ),
        Fault::PathUnnamed => (
            "Der vorgeschaltete Proxy nennt die Seite nicht, um die es geht",
            "Wer dieses Tool betreibt: Manche Routen sind nicht für alle; lassen Sie den Proxy bei jeder Frage an /oauth2/auth das Feld aus `auth_path_header` genau einmal setzen.",
        ),
        Fault::SignedCallsOnly => (
            "Diese Adresse ist für signierte Aufrufe von Journey Builder",
            "Wer dieses Tool betreibt: Lassen Sie den vorgeschalteten Proxy solche Aufrufe an das Gateway weiterreichen, das die Signatur prüft, statt nach ihnen zu fragen.",
        ),
        Fault::RefreshUnavailable => (
            "Ihre Sitzung lässt sich im Moment nicht erneuern",
            "Warten Sie einige Sekunden, und versuchen Sie es noch einmal; Sie bleiben angemeldet.",
        ),
        Fault::StoreUnavailable => (
            "Sitzungen lassen sich im Moment nicht nachschlagen",
            "Versuchen Sie es in einigen Sekunden noch einmal; niemand wird abgemeldet. Wer dieses Tool betreibt: Der Sitzungsspeicher antwortet nicht, siehe Log.",
        ),
        Fault::ProviderThrottled => (
            "Bei Marketing Cloud wurden zu viele Token angefordert",
            "Versuchen Sie es nach den Sekunden in Retry-After noch einmal; wer angemeldet ist, bleibt es. Wer dieses Tool betreibt: Alle Personen eines Pakets teilen sich diese Grenze.",
        ),
        Fault::ProviderGone => (
            "Marketing Cloud findet den eigenen Dienst nicht",
            "Versuchen Sie es in einer Minute noch einmal. Wer dieses Tool betreibt: Bleibt der Fehler, vergleichen Sie `marketing_cloud.subdomain` mit den URLs des Pakets (Status 596).",
        ),
        Fault::ProviderBlocked => (
            "Marketing Cloud gibt im Moment keine Token aus",
            "Versuchen Sie es in einigen Minuten noch einmal. Wer dieses Tool betreibt: Wie lange, ist nicht bekannt; prüfen Sie, was die Client-ID dieses Pakets sonst noch verwendet.",
        ),
        Fault::RedirectMismatch => (
            "Die Redirect-URI gehört nicht zum Paket",
            "Wer dieses Tool betreibt: `public_url` mit `/oauth2/callback` muss Zeichen für Zeichen im Paket stehen. Eine Änderung in Setup wirkt nach bis zu fünf Minuten.",
        ),
        Fault::LegacyEndpoint => (
            "Das Paket und der Endpunkt von Marketing Cloud passen nicht zusammen",
            "Wer dieses Tool betreibt: Verwenden Sie ein Enhanced Package mit eigener Subdomain, keine `auth_base_url` eines alten Endpunkts (Fehlercode 10007).",
        ),
        Fault::UpstreamUnreachable => (
            "Der Dienst hinter dem Gateway ist nicht erreichbar",
            "Wer dieses Tool betreibt: Prüfen Sie, ob er läuft und an der Adresse im `to` der Route lauscht.",
        ),
        Fault::UpstreamTimeout => (
            "Der Dienst hinter dem Gateway antwortete nicht rechtzeitig",
            "Versuchen Sie es noch einmal; für langsame Vorgänge lässt sich `timeouts.upstream_response` erhöhen.",
        ),
        Fault::UpstreamBroken => (
            "Der Dienst hinter dem Gateway brach seine Antwort ab",
            "Versuchen Sie es noch einmal; bleibt der Fehler, hilft das Log des Dienstes weiter.",
        ),
        Fault::NoInstanceUrl => (
            "Die Adresse Ihres Mandanten für diese API ist nicht bekannt",
            "Melden Sie sich ab und wieder an; bleibt der Fehler, fehlt die Instanz-URL in der Token-Antwort von Marketing Cloud.",
        ),
        Fault::UpstreamNotPublic => (
            "Die Adresse Ihres Mandanten führt an eine unzulässige Stelle",
            "Wer dieses Tool betreibt: Prüfen Sie, wohin der Host aufgelöst wird; ist eine private Adresse gewollt, nennen Sie den Host selbst in `marketing_cloud.instance_hosts`.",
        ),
        Fault::UpstreamDown => (
            "Der Dienst hinter dem Gateway arbeitet im Moment nicht",
            "Versuchen Sie es in einigen Sekunden noch einmal. Wer dieses Tool betreibt: Das Log nennt die Adresse und den Grund.",
        ),
        Fault::UpstreamFull => (
            "Der Dienst hinter dem Gateway ist ausgelastet",
            "Versuchen Sie es in einigen Sekunden noch einmal. Wer dieses Tool betreibt: Der Dienst ist langsam, oder `upstream.max_connections` ist zu klein.",
        ),
        Fault::ApiThrottled => (
            "Marketing Cloud bittet Sie zu warten",
            "Versuchen Sie es nach den Sekunden in Retry-After noch einmal; die API hat eine frühere Anfrage von Ihnen begrenzt.",
        ),
        Fault::Internal => (
            "Im Gateway ist etwas schiefgegangen",
            "Nennen Sie Code und Anfragenummer den Betreibern dieses Tools.",
        ),
        Fault::Overloaded => (
            "Das Gateway ist ausgelastet oder wird gerade beendet",
            "Versuchen Sie es in einigen Sekunden noch einmal.",
        ),
        Fault::TooManyConnections => (
            "Zu viele Verbindungen sind offen",
            "Versuchen Sie es in einigen Sekunden noch einmal. Wer dieses Tool betreibt: `limits.connections`.",
        ),
        Fault::TooManyFromAddress => (
            "Von Ihrer Adresse sind zu viele Verbindungen offen",
            "Schließen Sie einige. Wer dieses Tool betreibt: `limits.connections_per_address`; Proxys gehören in `trusted_proxies`.",
        ),
    }
}

fn envelope(fault: EnvelopeFault) -> (&'static str, &'static str) {
    match fault {
        EnvelopeFault::Media => (
            "Die Anfrage enthält keinen SOAP-Umschlag",
            "Senden Sie den Umschlag selbst als text/xml (SOAP 1.1) oder application/soap+xml (1.2); Anhänge sind nicht möglich, da das Token in den Umschlag kommt.",
        ),
        EnvelopeFault::Coded => (
            "Der Umschlag ist komprimiert",
            "Senden Sie ihn ohne Content-Encoding: Das Token kommt in seinen Kopf.",
        ),
        EnvelopeFault::Encoding => (
            "Der Umschlag ist nicht in UTF-8",
            "Senden Sie ihn in UTF-8; Content-Type und XML-Deklaration müssen dazu passen oder schweigen.",
        ),
        EnvelopeFault::Malformed => (
            "Der Umschlag ist kein wohlgeformtes XML",
            "Lassen Sie den Umschlag von einer Bibliothek schreiben; `note` nennt, was gefunden wurde.",
        ),
        EnvelopeFault::Doctype => (
            "Der Umschlag hat einen Dokumenttyp",
            "Lassen Sie <!DOCTYPE …> weg: SOAP erlaubt es nicht.",
        ),
        EnvelopeFault::Structure => (
            "Das Dokument ist kein SOAP-Umschlag",
            "Senden Sie ein Envelope von SOAP 1.1 oder 1.2 mit höchstens einem Header und danach einem Body; `note` nennt, was gefunden wurde.",
        ),
        EnvelopeFault::Limit => (
            "Der Umschlag überschreitet eine Grenze",
            "Halten Sie den Teil vor dem Body unter 64 KiB, Tags unter 16 KiB und 64 Attributen und Elemente unter 128 Ebenen.",
        ),
    }
}
