mod property;

use super::*;
use crate::crypto::secret::AccessToken;
use http::HeaderMap;
use http::HeaderValue;
use http::header;

const TOKEN: &str = "a.b<c>&'\"d";
const ELEMENT: &str =
    "<fueloauth xmlns=\"http://exacttarget.com\">a.b&lt;c&gt;&amp;&apos;&quot;d</fueloauth>";

fn inject_by(envelope: &[u8], size: usize) -> Result<Vec<u8>, EnvelopeError> {
    let token = AccessToken::parse(TOKEN).expect("a token");
    let mut injector = Injector::new(&token);
    let mut out = Vec::new();
    for part in envelope.chunks(size.max(1)) {
        injector.feed(part, &mut out)?;
        if injector.is_past_head() {
            assert!(injector.held() <= MAX_TAG);
        }
    }
    injector.finish()?;
    Ok(out)
}

/// In parts of any size the result is the same.
fn inject(envelope: &str) -> Result<String, EnvelopeError> {
    let whole = inject_by(envelope.as_bytes(), usize::MAX);
    for size in [1, 2, 3, 7] {
        let parts = inject_by(envelope.as_bytes(), size);
        match &whole {
            Ok(_) => assert!(parts == whole, "{} by {size}", shown(envelope)),
            Err(_) => assert!(parts.is_err(), "{} by {size}", shown(envelope)),
        }
    }
    whole.map(|out| String::from_utf8(out).expect("text"))
}

fn shown(text: &str) -> String {
    text.chars().take(300).collect()
}

#[test]
fn the_token_stands_in_the_header_and_nothing_else_changes() {
    let (e11, e12) = (
        "xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"",
        "xmlns='http://www.w3.org/2003/05/soap-envelope'",
    );
    // `@` stands for the token's element, `[…]` for what is taken out of the original.
    for (original, marked) in [
        // No header.
        (
            "<s:Envelope {11}><s:Body/></s:Envelope>",
            "<s:Envelope {11}><s:Header>@</s:Header><s:Body/></s:Envelope>",
        ),
        (
            "<Envelope {12}>\r\n <Body>x</Body> </Envelope>\n",
            "<Envelope {12}>\r\n <Header>@</Header><Body>x</Body> </Envelope>\n",
        ),
        // An empty one, in both ways; self-closed with attributes.
        (
            "<s:Envelope {11}><s:Header></s:Header><s:Body/></s:Envelope>",
            "<s:Envelope {11}><s:Header>@</s:Header><s:Body/></s:Envelope>",
        ),
        (
            "<s:Envelope {11}><s:Header/><s:Body/></s:Envelope>",
            "<s:Envelope {11}><s:Header>@</s:Header><s:Body/></s:Envelope>",
        ),
        (
            "<Envelope {12}><Header a = 'b/' /><Body/></Envelope>",
            "<Envelope {12}><Header a = 'b/' >@</Header><Body/></Envelope>",
        ),
        // Others' blocks stay, bytes and all, with the prefix bound anew on the header itself.
        (
            "\u{feff}<?xml  version='1.0' encoding='UTF-8' ?><!-- a & < b --><?p i?>\n<s:Envelope {11}><t:Header xmlns:t=\"http://schemas.xmlsoap.org/soap/envelope/\"><a:T xmlns:a='u' t:mustUnderstand=\"1\">&#x41;&amp;<![CDATA[<fueloauth>]]></a:T></t:Header><s:Body b=\"2\" a='1'/></s:Envelope>",
            "\u{feff}<?xml  version='1.0' encoding='UTF-8' ?><!-- a & < b --><?p i?>\n<s:Envelope {11}><t:Header xmlns:t=\"http://schemas.xmlsoap.org/soap/envelope/\">@<a:T xmlns:a='u' t:mustUnderstand=\"1\">&#x41;&amp;<![CDATA[<fueloauth>]]></a:T></t:Header><s:Body b=\"2\" a='1'/></s:Envelope>",
        ),
        // A client's own token, in every spelling, several times.
        (
            "<s:Envelope {11} xmlns:f='http://exacttarget.com'><s:Header> <f:fueloauth s:mustUnderstand='1'>x<y>z</y><!-- c --></f:fueloauth>a:<oAuth xmlns=\"http://exacttarget.com\"><oAuthToken>1</oAuthToken></oAuth><f:fueloauth/> </s:Header><s:Body/></s:Envelope>",
            "!text where only elements have their place",
        ),
        (
            "<s:Envelope {11} xmlns:f='http://exacttarget.com'><s:Header> <f:fueloauth s:mustUnderstand='1'>x<y>z</y><!-- c --></f:fueloauth><oAuth xmlns=\"http://exacttarget.com\"><oAuthToken>1</oAuthToken></oAuth>\t<f:fueloauth/><f:Fuel/></s:Header><s:Body/></s:Envelope>",
            "<s:Envelope {11} xmlns:f='http://exacttarget.com'><s:Header>@ \t<f:Fuel/></s:Header><s:Body/></s:Envelope>",
        ),
        // In no namespace, in the envelope's, in others, in other letters: it is read as well.
        (
            "<s:Envelope {11}><s:Header><fueloauth>k</fueloauth><fueloauth xmlns=\"http://exacttarget.com/\">k</fueloauth><s:fueloauth>k</s:fueloauth><FuelOAuth/><oauth>k</oauth></s:Header><s:Body/></s:Envelope>",
            "<s:Envelope {11}><s:Header>@</s:Header><s:Body/></s:Envelope>",
        ),
        (
            "<Envelope {12}><Header><fueloauth>k<Header/></fueloauth>\n</Header><Body/></Envelope>",
            "<Envelope {12}><Header>@\n</Header><Body/></Envelope>",
        ),
        // The same names elsewhere are none of our business.
        (
            "<s:Envelope {11}><s:Header><w><fueloauth xmlns=\"http://exacttarget.com\">k</fueloauth></w></s:Header><s:Body><fueloauth xmlns=\"http://exacttarget.com\">k</fueloauth> ]] > </s:Body></s:Envelope>",
            "<s:Envelope {11}><s:Header>@<w><fueloauth xmlns=\"http://exacttarget.com\">k</fueloauth></w></s:Header><s:Body><fueloauth xmlns=\"http://exacttarget.com\">k</fueloauth> ]] > </s:Body></s:Envelope>",
        ),
        // A `Header` in the body is not the header.
        (
            "<s:Envelope {11}><s:Body><s:Header/><s:Body/><s:Envelope/></s:Body></s:Envelope>",
            "<s:Envelope {11}><s:Header>@</s:Header><s:Body><s:Header/><s:Body/><s:Envelope/></s:Body></s:Envelope>",
        ),
    ] {
        let filled = |text: &str| text.replace("{11}", e11).replace("{12}", e12);
        let outcome = inject(&filled(original));
        match marked.strip_prefix('!') {
            Some(error) => assert_eq!(
                outcome,
                Err(EnvelopeError::Structure(
                    "text where only elements have their place"
                )),
                "{error}"
            ),
            None => assert_eq!(
                outcome.as_deref(),
                Ok(&*filled(marked).replace('@', ELEMENT)),
                "{original}"
            ),
        }
    }
}

/// What two parsers could read differently, or one would refuse after the token has gone out.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_is_not_plainly_an_envelope_is_refused() {
    use EnvelopeFault as F;
    let envelope = |inner: &str| format!("<s:Envelope xmlns:s='{SOAP_11}'>{inner}</s:Envelope>");
    let body = |inner: &str| envelope(&format!("<s:Body>{inner}</s:Body>"));
    let deep = format!("{}{}", "<a>".repeat(130), "</a>".repeat(130));
    let many: String = (0..65).fold(String::new(), |all, n| format!("{all} a{n}=''"));
    let scopes: String = (0..60).fold(String::new(), |all, n| format!("{all} xmlns:a{n}='u'"));
    for (document, fault) in [
        (String::new(), F::Malformed),
        ("x".to_owned(), F::Malformed),
        ("{\"a\":1}".to_owned(), F::Malformed),
        ("<a/>".to_owned(), F::Structure),
        ("<Envelope><Body/></Envelope>".to_owned(), F::Structure),
        (format!("<s:envelope xmlns:s='{SOAP_11}'/>"), F::Structure),
        (format!("<s:Envelope xmlns:s='{SOAP_11}'/>"), F::Structure),
        ("<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/Envelope/'><s:Body/></s:Envelope>".to_owned(), F::Structure),
        ("<s:Envelope><s:Body/></s:Envelope>".to_owned(), F::Malformed),
        // Two readings of which header counts.
        (envelope("<s:Header/>"), F::Structure),
        (envelope("<s:Header/><s:Header/><s:Body/>"), F::Structure),
        (envelope("<s:Body/><s:Header/>"), F::Structure),
        (envelope("<s:Body/><s:Body/>"), F::Structure),
        (envelope("<s:Header/><x/><s:Body/>"), F::Structure),
        (envelope("<x/><s:Body/>"), F::Structure),
        (envelope("<Header/><s:Body/>"), F::Structure),
        (envelope("<s:header/><s:Body/>"), F::Structure),
        (envelope(&format!("<s:Header xmlns:s='{SOAP_12}'/><s:Body/>")), F::Structure),
        (envelope("text<s:Body/>"), F::Structure),
        (envelope("<![CDATA[ ]]><s:Body/>"), F::Structure),
        (envelope("&#32;<s:Body/>"), F::Structure),
        // Outside of the root.
        (format!("{}x", body("")), F::Malformed),
        (format!("{}&#32;", body("")), F::Malformed),
        (format!("{}<![CDATA[]]>", body("")), F::Malformed),
        (format!("{0}{0}", body("")), F::Malformed),
        (format!(" <?xml version='1.0'?>{}", body("")), F::Malformed),
        (format!("<!-- --><?xml version='1.0'?>{}", body("")), F::Malformed),
        (format!("\u{feff}\u{feff}{}", body("")), F::Malformed),
        // Document types and entities.
        (format!("<!DOCTYPE a>{}", body("")), F::Doctype),
        (format!("<!DOCTYPE a [<!ENTITY b 'c'>]>{}", body("&b;")), F::Doctype),
        (format!("<!doctype a>{}", body("")), F::Malformed),
        (body("<!ENTITY b 'c'>"), F::Malformed),
        (body("&b;"), F::Malformed),
        (body("&#0;"), F::Malformed),
        (body("&#x1F;"), F::Malformed),
        (body("&#xD800;"), F::Malformed),
        (body("&#+65;"), F::Malformed),
        (body("&amp"), F::Malformed),
        (body("a & b"), F::Malformed),
        (body("<a b='&c;'/>"), F::Malformed),
        // Encodings.
        (format!("<?xml version='1.0' encoding='iso-8859-1'?>{}", body("")), F::Encoding),
        (format!("<?xml version='1.0' encoding='UTF-16'?>{}", body("")), F::Encoding),
        (format!("<?xml version='1.1'?>{}", body("")), F::Malformed),
        (format!("<?xml version='1.0' encoding='UTF-8' encoding='UTF-7'?>{}", body("")), F::Malformed),
        (format!("<?xml encoding='UTF-8'?>{}", body("")), F::Malformed),
        (format!("<?XML version='1.0'?>{}", body("")), F::Malformed),
        // Characters.
        (body("\0"), F::Malformed),
        (body("\u{b}"), F::Malformed),
        (body("\u{ffff}"), F::Malformed),
        // Tags, attributes, namespaces.
        (body("<a"), F::Malformed),
        (body("<a></b>"), F::Malformed),
        (body("<a></ a>"), F::Malformed),
        (body("< a/>"), F::Malformed),
        (body("<1/>"), F::Malformed),
        (body("<a:b:c xmlns:a='u'/>"), F::Malformed),
        (body("<a b/>"), F::Malformed),
        (body("<a b=c/>"), F::Malformed),
        (body("<a b='1'c='2'/>"), F::Malformed),
        (body("<a b='1' b='2'/>"), F::Malformed),
        (body("<a p:b='1' q:b='2' xmlns:p='u' xmlns:q='u'/>"), F::Malformed),
        (body("<a b='<'/>"), F::Malformed),
        (body("<a / >"), F::Malformed),
        (body("<p:a/>"), F::Malformed),
        (body("<a p:b=''/>"), F::Malformed),
        (body("<a xmlns:p='u'/><p:b/>"), F::Malformed),
        (body("<p:a xmlns:p=''/>"), F::Malformed),
        (body("<a xmlns:xmlns='u'/>"), F::Malformed),
        (body("<a xmlns:xml='u'/>"), F::Malformed),
        (body("<a xmlns:p='http://www.w3.org/2000/xmlns/'/>"), F::Malformed),
        (body("<a xmlns='http://www.w3.org/XML/1998/namespace'/>"), F::Malformed),
        (body("<xmlns:a/>"), F::Malformed),
        (envelope("<s:Header><fueloauth xmlns='http://exacttarget&#46;com'>k</fueloauth></s:Header><s:Body/>"), F::Malformed),
        // Comments, sections, instructions.
        (body("<!-- -- -->"), F::Malformed),
        (body("<!-- --->"), F::Malformed),
        (body("<!- x -->"), F::Malformed),
        (body("<![cdata[ ]]>"), F::Malformed),
        (body("]]>"), F::Malformed),
        (body("<? x?>"), F::Malformed),
        (body("<?xml version='1.0'?>"), F::Malformed),
        (body("<?a:b c?>"), F::Malformed),
        // Limits.
        (body(&deep), F::Limit),
        (body(&format!("<a{many}/>")), F::Limit),
        (body(&format!("<a{scopes}><a{scopes}><a{scopes}/></a></a>")), F::Limit),
        (body(&format!("<a b='{}'/>", "x".repeat(17_000))), F::Limit),
        (format!("<!--{}-->{}", "x".repeat(66_000), body("")), F::Limit),
        (envelope(&format!("<s:Header><a>{}</a></s:Header><s:Body/>", "x".repeat(66_000))), F::Limit),
    ] {
        let shown = shown(&document);
        let error = inject(&document).expect_err(&shown);
        assert_eq!(error.fault(), fault, "{shown}: {error}");
    }
    // A whole envelope lacks nothing: every part of it alone is refused.
    let whole = format!(
        "<?xml version='1.0'?><!-- x -->{}\n",
        envelope("<s:Header><a>&amp;</a></s:Header><s:Body><![CDATA[x]]></s:Body>")
    );
    assert!(inject(&whole).is_ok());
    for end in 0..whole.len() - 1 {
        assert!(inject_by(&whole.as_bytes()[..end], 5).is_err(), "{end}");
    }
    for (encoded, first) in [
        ("utf-16le", &b"<\0s\0"[..]),
        ("utf-16be", b"\0<\0s"),
        ("utf-16 with a mark", b"\xff\xfe<\0"),
        ("utf-16 with a mark", b"\xfe\xff\0<"),
        ("utf-32", b"\0\0\0<"),
        ("latin 1", b"<a>\xe9</a>"),
        ("cut", b"<a>\xe2\x82</a>"),
        ("surrogates", b"<a>\xed\xa0\x80</a>"),
    ] {
        for size in [1, 100] {
            let error = inject_by(first, size).expect_err(encoded);
            let known = [F::Encoding, F::Structure].contains(&error.fault());
            assert!(known, "{encoded}: {error}");
        }
    }
}

#[test]
fn a_body_of_any_size_passes() {
    let part = "<a b='c'>text &amp; more</a><![CDATA[ ]] ]]]>".repeat(20_000);
    let original = format!("<s:Envelope xmlns:s='{SOAP_12}'><s:Body>{part}</s:Body></s:Envelope>");
    let out = inject_by(original.as_bytes(), 16_384).expect("an envelope");
    let out = String::from_utf8(out).expect("text");
    assert_eq!(
        out.replace(&format!("<s:Header>{ELEMENT}</s:Header>"), ""),
        original
    );
}

#[test]
fn media_types_say_whether_there_is_an_envelope() {
    use EnvelopeFault as F;
    for (fields, outcome) in [
        (&[("content-type", "text/xml")][..], Ok(())),
        (&[("content-type", "Text/XML; Charset=\"UTF-8\"")], Ok(())),
        (
            &[(
                "content-type",
                "application/soap+xml;charset=utf-8;action=\"urn:a;b=\\\"c\"",
            )],
            Ok(()),
        ),
        (
            &[
                ("content-type", "text/xml"),
                ("content-encoding", "identity"),
            ],
            Ok(()),
        ),
        (&[], Err(F::Media)),
        (&[("content-type", "application/json")], Err(F::Media)),
        (&[("content-type", "application/xml")], Err(F::Media)),
        (&[("content-type", "text/xmlx")], Err(F::Media)),
        (
            &[(
                "content-type",
                "multipart/related; type=\"application/xop+xml\"",
            )],
            Err(F::Media),
        ),
        (
            &[("content-type", "text/xml"), ("content-type", "text/xml")],
            Err(F::Media),
        ),
        (&[("content-type", "text/xml; charset")], Err(F::Media)),
        // Whoever is lenient reads another charset there than we do.
        (
            &[("content-type", "text/xml; charset =utf-7")],
            Err(F::Media),
        ),
        (
            &[("content-type", "text/xml; charset*=utf-8''utf-7")],
            Err(F::Media),
        ),
        (
            &[("content-type", "text/xml; x charset=utf-7")],
            Err(F::Media),
        ),
        (
            &[("content-type", "text/xml; charset=\"utf-8")],
            Err(F::Media),
        ),
        (
            &[("content-type", "text/xml; charset=utf-16")],
            Err(F::Encoding),
        ),
        (
            &[("content-type", "text/xml; charset=iso-8859-1")],
            Err(F::Encoding),
        ),
        (
            &[("content-type", "text/xml; charset=utf-8; charset=utf-7")],
            Err(F::Encoding),
        ),
        (
            &[("content-type", "text/xml"), ("content-encoding", "gzip")],
            Err(F::Coded),
        ),
        (
            &[
                ("content-type", "text/xml"),
                ("content-encoding", "identity, br"),
            ],
            Err(F::Coded),
        ),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(
            admit(&headers).map_err(|(fault, _)| fault),
            outcome,
            "{fields:?}"
        );
    }
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/soap+xml"),
    );
    assert_eq!(Version::of(&headers), Some(Version::Soap12));
}

#[test]
fn a_refused_token_is_told_from_other_faults() {
    let security = "<faultcode xmlns:q0=\"http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd\">q0:Security</faultcode>";
    let fault = |inner: &str| {
        format!(
            "<?xml version=\"1.0\"?><soap:Envelope xmlns:soap=\"{SOAP_11}\"><soap:Header><a/></soap:Header><soap:Body><soap:Fault>{inner}</soap:Fault></soap:Body></soap:Envelope>"
        )
    };
    let soap12 = format!(
        "<e:Envelope xmlns:e=\"{SOAP_12}\"><e:Body><e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>q:Security</e:Value></e:Subcode></e:Code><e:Reason><e:Text xml:lang=\"en\">Login failed</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"
    );
    for (answer, expected) in [
        (
            fault(&format!(
                "{security}<faultstring>Token Expired</faultstring>"
            )),
            Verdict::TokenRefused,
        ),
        (
            fault(&format!(
                "{security}<faultstring> Login failed </faultstring>"
            )),
            Verdict::TokenRefused,
        ),
        (
            fault(&format!(
                "<faultstring>Login Failed</faultstring>{security}"
            )),
            Verdict::TokenRefused,
        ),
        (soap12, Verdict::TokenRefused),
        (
            fault(&format!(
                "{security}<faultstring>Token Expired soon</faultstring>"
            )),
            Verdict::Other,
        ),
        (
            fault("<faultcode>soap:Server</faultcode><faultstring>Token Expired</faultstring>"),
            Verdict::Other,
        ),
        (
            fault(
                "<faultcode>soap:Server</faultcode><faultstring>Rate limit</faultstring><detail>Token Expired q0:Security</detail>",
            ),
            Verdict::Other,
        ),
        ("<html>Token Expired</html>".to_owned(), Verdict::Other),
        ("{\"Token Expired\":1}".to_owned(), Verdict::Other),
        (
            format!("<s:Envelope xmlns:s='{SOAP_11}'><s:Body><r>Token Expired"),
            Verdict::Other,
        ),
        (
            format!("<s:Envelope xmlns:s='{SOAP_11}'><s:Body><s:Fault><faultcode>"),
            Verdict::Open,
        ),
        (String::new(), Verdict::Open),
    ] {
        assert_eq!(verdict(answer.as_bytes()), expected, "{answer}");
        for end in 0..answer.len() {
            let early = verdict(&answer.as_bytes()[..end]);
            assert!(
                early == Verdict::Open || early == expected,
                "{answer} at {end}: {early:?}"
            );
        }
    }
}
