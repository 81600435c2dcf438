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
