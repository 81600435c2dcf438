use std::collections::HashSet;

use super::*;

#[test]
fn codes_are_unique_and_statuses_are_errors() {
    let codes: HashSet<_> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes.len(), Fault::ALL.len());
    for fault in Fault::ALL {
        assert!(fault.status().as_u16() >= 400, "{fault:?}");
        assert!(
            fault.code().starts_with("SG-") && fault.code().len() == 7,
            "{fault:?}"
        );
        assert!(fault.advice().ends_with('.'), "{fault:?}");
    }
}

#[test]
fn codes_of_commands_are_unique_and_apart() {
    let codes: HashSet<_> = CommandFault::ALL.iter().map(|fault| fault.code()).collect();
    assert_eq!(codes.len(), CommandFault::ALL.len());
    for fault in CommandFault::ALL {
        assert!(fault.code().starts_with("SG-66"), "{fault:?}");
        assert!(fault.advice().ends_with('.'), "{fault:?}");
    }
}

/// The page on every code, which is made from here. With `BLESS=1` the test writes it anew.
#[test]
fn the_documentation_is_this_table() {
    let mut page = HEAD.to_owned();
    let mut faults = Fault::ALL;
    faults.sort_by_key(|fault| fault.code());
    for fault in faults {
        let (code, title) = (fault.code(), fault.title());
        let (status, advice) = (fault.status().as_u16(), fault.advice());
        let entry = format!("\n## {code}: {title}\n\nStatus {status}. {advice}\n");
        page.push_str(&entry);
        if let Some(setup) = fault.in_setup() {
            page.extend(["\nIn Setup: ", setup, "\n"]);
        }
    }
    page.push_str(COMMAND_LINE);
    for fault in CommandFault::ALL {
        let (code, title, advice) = (fault.code(), fault.title(), fault.advice());
        let exit = fault.exit().map(|exit| format!("Exit code {exit}. "));
        let exit = exit.unwrap_or_default();
        let entry = format!("\n## {code}: {title}\n\n{exit}{advice}\n");
        page.push_str(&entry);
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/docs/errors.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(file, &page).expect("written");
    }
    let known = std::fs::read_to_string(file).expect("the page");
    assert!(
        known == page,
        "run this test with BLESS=1 and look at the difference"
    );
}

#[test]
fn setup_is_told_in_sentences() {
    let told = Fault::ALL.iter().filter_map(|fault| fault.in_setup());
    for text in told {
        assert!(text.ends_with('.'), "{text}");
    }
}

const HEAD: &str = "# Failure codes

Every failure has a code that never changes its meaning. It stands on the page, in the JSON document (`code`), in the log and in the
metrics. This page is made from `src/fault.rs` and held equal to it by a test.

After a change of the package in Setup, Marketing Cloud takes up to five minutes until all of its servers know: a sign-in may fail
and the next one work. For five minutes after a start or a change of the client's secrets, a code that is refused for the client's sake is
therefore exchanged once more after a second.
";

const COMMAND_LINE: &str = "
# On the command line

What `sidegate` says on a terminal carries a code too: those above, those of the configuration (`SG-60..` what cannot be used, `SG-61..`
risks, `SG-62..` what is due; `sidegate check` tells place and remedy of each), and these of the commands themselves.
";
