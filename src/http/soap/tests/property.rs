//! What holds for every envelope, and for everything that is none.

use proptest::prelude::*;

use super::*;

/// Well-formed envelopes of many shapes.
fn envelopes() -> impl Strategy<Value = String> {
    let misc = prop::sample::select(vec!["", " ", "\n", "<!-- & < -->", "<?p q?>", "\t<!---->"]);
    let block = prop::sample::select(vec![
        "<a/>",
        "<t:a xmlns:t='urn:t' t:b=\"c\">&lt;&#x20AC;</t:a>",
        "<fueloauth>no namespace</fueloauth>",
        "<f:fueloauth xmlns:f='urn:f'>another one</f:fueloauth>",
        "<fueloauth xmlns='http://exacttarget.com'>old<a/></fueloauth>",
        "<f:oAuth xmlns:f=\"http://exacttarget.com\"><f:oAuthToken>1</f:oAuthToken></f:oAuth>",
        "<w><fueloauth xmlns='http://exacttarget.com'>inner</fueloauth></w>",
        "<![CDATA[]]>",
    ])
    .prop_filter("only elements stand in the header", |block| {
        !block.starts_with("<![")
    });
    let header = prop_oneof![
        Just(None),
        Just(Some(None)),
        prop::collection::vec((block, misc.clone()), 0..5).prop_map(|blocks| {
            let text: String = blocks.into_iter().flat_map(|(a, b)| [a, b]).collect();
            Some(Some(text))
        }),
    ];
    let body = prop::sample::select(vec![
        "",
        "text &amp; more",
        "<fueloauth xmlns='http://exacttarget.com'>body</fueloauth>",
        "<![CDATA[ ]] > <s:Header> ]]>é€😀",
        "<s:Header xmlns:s='urn:x'/><Header/>",
    ]);
    (
        prop::sample::select(vec!["", "\u{feff}", "<?xml version=\"1.0\"?>", "\u{feff}<?xml version='1.0' encoding='utf-8' standalone='yes'?>"]),
        prop::sample::select(vec!["", "s:", "SOAP-ENV:"]),
        prop::sample::select(vec![SOAP_11, SOAP_12]),
        prop::collection::vec(misc, 4),
        header,
        body,
    )
        .prop_map(|(start, prefix, namespace, misc, header, body)| {
            let declared = match prefix.strip_suffix(':') {
                Some(prefix) => format!("xmlns:{prefix}"),
                None => "xmlns".to_owned(),
            };
            let header = match header {
                None => String::new(),
                Some(None) => format!("<{prefix}Header />"),
                Some(Some(blocks)) => format!("<{prefix}Header>{blocks}</{prefix}Header>"),
            };
            format!(
                "{start}{}<{prefix}Envelope {declared}='{namespace}'>{}{header}{}<{prefix}Body>{body}</{prefix}Body>{}</{prefix}Envelope>",
                misc[0], misc[1], misc[2], misc[3]
            )
        })
}

/// What another parser makes of a document.
fn tokens_seen(document: &str) -> Vec<String> {
    let read =
        roxmltree::Document::parse(document).unwrap_or_else(|error| panic!("{error}: {document}"));
    let envelope = read.root_element();
    let namespace = envelope.tag_name().namespace().expect("one");
    let part = |name| {
        envelope
            .children()
            .filter(move |node| node.has_tag_name((namespace, name)))
    };
    let (headers, bodies) = (part("Header").count(), part("Body").count());
    assert!(headers <= 1 && bodies == 1, "{document}");
    part("Header")
        .flat_map(|header| header.children())
        .filter(|node| ["fueloauth", "oAuth"].contains(&node.tag_name().name()))
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect()
}

proptest! {
    #[test]
    fn another_parser_finds_the_token_once_and_nothing_else_changed(
        envelope in envelopes(),
        size in 1_usize..40,
    ) {
        let out = inject_by(envelope.as_bytes(), size).expect("an envelope");
        let out = String::from_utf8(out).expect("text");
        prop_assert_eq!(tokens_seen(&out), [TOKEN]);
        prop_assert_eq!(out.matches(ELEMENT).count(), 1);
        // Without the element, with the header that was there, the original is back.
        if tokens_seen(&envelope).is_empty() {
            let bare = out.replacen(ELEMENT, "", 1);
            let made = ["", "s:", "SOAP-ENV:"].map(|p| format!("<{p}Header></{p}Header>"));
            let opened = ["", "s:", "SOAP-ENV:"].map(|p| (format!("<{p}Header ></{p}Header>"), format!("<{p}Header />")));
            let without = made.iter().map(|made| bare.replacen(made, "", 1));
            let closed = opened.iter().map(|(open, closed)| bare.replacen(open, closed, 1));
            let mut candidates = std::iter::once(bare.clone()).chain(without).chain(closed);
            prop_assert!(candidates.any(|candidate| candidate == envelope), "{} {}", envelope, out);
        }
    }

    #[test]
    fn what_passes_however_it_is_changed_is_what_another_parser_reads(
        envelope in envelopes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(
            b"<>/&;:='\"! ?-[]\0\x0bxsEHB\xc3\xa9".to_vec())), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = envelope.into_bytes();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let start = cut.index(bytes.len());
        let whole = inject_by(&bytes, usize::MAX);
        prop_assert_eq!(inject_by(&bytes, start).is_ok(), whole.is_ok());
        if let Ok(out) = whole {
            let out = String::from_utf8(out).expect("text");
            prop_assert_eq!(tokens_seen(&out), [TOKEN]);
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..9) {
        let whole = inject_by(&bytes, usize::MAX).is_ok();
        prop_assert_eq!(inject_by(&bytes, size).is_ok(), whole);
        let _verdict = verdict(&bytes);
    }
}
