//! What a report says about the age of client secrets.

use std::fs::File;
use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use super::*;

/// A report on a web app whose secrets are files of these ages in days.
fn told(first: u64, next: Option<u64>, json: bool, strict: bool) -> Report {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str, days: u64| {
        let path = directory.path().join(name);
        written(&path, days);
        format!("{{ file: {name} }}")
    };
    let mut secrets = format!("client_secret: {}", place("first", first));
    if let Some(days) = next {
        let next = place("next", days);
        secrets += "\n  next_client_secret: ";
        secrets += &next;
    }
    let text = edited("client_secret: { env: SECRET }", &secrets);
    let outcome = Config::from_text("t.yaml", &text, directory.path(), &environment());
    assert!(outcome.is_ok(), "{outcome:?}");
    report(&outcome, json, strict, NOW)
}

fn written(path: &Path, days: u64) {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    let mut file = File::create(path).expect("our own file");
    file.write_all(b"s3cr3t").expect("written");
    let private = std::fs::Permissions::from_mode(0o600);
    file.set_permissions(private).expect("our own file");
    let modified = NOW.minus(Duration::from_hours(days * 24));
    let since_epoch = Duration::from_millis(modified.as_millis());
    file.set_modified(SystemTime::UNIX_EPOCH + since_epoch)
        .expect("our own file");
}

#[test]
fn a_young_secret_is_only_a_note() {
    let report = told(149, Some(0), false, true);
    assert!(report.ok, "not even with --strict: {}", report.text);
    assert_eq!(
        report.text,
        "t.yaml:5:18: note[SG-6201]: marketing_cloud.client_secret: the file is 149 days old; if the \
         secret is as old, it works for 31 days more\n\
         t.yaml:6:23: note[SG-6201]: marketing_cloud.next_client_secret: the file is 0 days old; if the \
         secret is as old, it works for 180 days more\n\
         The configuration can be used: 0 problems, 0 warnings.\n"
    );
}

#[test]
fn from_150_days_on_it_is_a_warning_that_says_how_to_rotate() {
    for (days, says) in [
        (
            150,
            "150 days old; if the secret is as old, it ends in 30 days",
        ),
        (179, "it ends in 1 day: "),
        (180, "it has ended: "),
        (400, "the file is 400 days old"),
    ] {
        let relaxed = told(days, None, false, false);
        assert!(relaxed.ok, "{}", relaxed.text);
        for part in [
            "warning[SG-6111]: marketing_cloud.client_secret: ",
            says,
            "stage a new secret in Setup",
        ] {
            assert!(relaxed.text.contains(part), "{part}: {}", relaxed.text);
        }
        assert!(!told(days, None, false, true).ok, "{days}");
    }
    let staged = told(170, Some(3), false, false).text;
    assert!(
        staged.contains("hint: activate the staged secret in Setup"),
        "{staged}"
    );
}

#[test]
fn without_a_next_secret_the_report_says_what_it_is_for() {
    let alone = told(3, None, false, true);
    assert!(alone.ok);
    let note = "note[SG-6202]: marketing_cloud.next_client_secret: is not set; a rotation without downtime needs it";
    assert!(alone.text.contains(note), "{}", alone.text);
    assert!(!told(3, Some(1), false, false).text.contains("SG-6202"));
}

#[test]
fn machines_are_told_the_same() {
    let report = told(160, Some(1), true, false);
    let json: serde_json::Value = serde_json::from_str(&report.text).expect("JSON");
    assert_eq!(json["warnings"][0]["code"], "SG-6111");
    assert_eq!(json["warnings"][0]["line"], 5);
    assert_eq!(
        json["notes"][0]["key"],
        "marketing_cloud.next_client_secret"
    );
}

#[test]
fn a_public_app_and_a_file_from_the_future_have_nothing_to_fear() {
    let public = edited("client_secret: { env: SECRET }", "client_type: public");
    let text = report(&load_text(&public), false, false, NOW).text;
    assert!(!text.contains("note["), "{text}");
    let outcome = told(0, Some(0), false, true);
    assert!(outcome.ok, "{}", outcome.text);
    let variable = report(&load_text(LEAST), false, true, NOW);
    assert!(
        variable.ok && !variable.text.contains("SG-6201"),
        "{}",
        variable.text
    );
}
