//! Where each hunt starts: what is good, or nearly.

type Seeds = &'static [&'static [u8]];

pub const COOKIES: Seeds = &[
    b"a=1; __Host-Http-sidegate=abc; b=\"x y\"",
    b"__Host-Http-sidegate.1=x; __Host-Http-sidegate.2=y",
    b"__HOST-HTTP-SIDEGATE-login-x=1;theme=dark;=z; q",
    b"a=1\n__Host-Http-sidegate=x\nb=2; =__Host-Http-sidegate",
];

pub const ENVELOPE: Seeds = &[
    b"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w",
    b"\x41plaintext",
];

pub const TARGET: Seeds = &[
    b"/a/b.css?x=%2f&y=;",
    b"/key:a%2Fb;c%25/x",
    b"/%E2%82%AC/$page",
    b"/a%252f..%23/%c0%ae/..;x/",
];

pub const TOKEN_REPLY: Seeds = &[
    br#"{"access_token":"abc","token_type":"Bearer","expires_in":1079,"scope":"offline email_read","refresh_token":"def","rest_instance_url":"https://mcabc.rest.marketingcloudapis.com/","soap_instance_url":"https://mcabc.soap.marketingcloudapis.com/"}"#,
    br#"{"access_token":"abc","token_type":"bearer","expires_in":"20"}"#,
];

pub const USERINFO: Seeds = &[
    br#"{"exp":1,"user":{"sub":"10654321","name":"Ada","email":"a@b.c","preferred_username":"ada","locale":"en-GB"},"organization":{"enterprise_id":1,"member_id":2},"rest":{"rest_instance_url":"https://mcabc.rest.marketingcloudapis.com/"}}"#,
    br#"{"sub":"1","name":"x"}"#,
];

pub const CALLBACK: Seeds = &[
    b"code=abc&state=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA&tssd=mcabc",
    b"error=access_denied&error_description=a+b%20c&state=x",
];

pub const RETURN_PATH: Seeds = &[
    b"/a/b.html?next=//evil.example&x=%2f#frag",
    b"/%2e%2e/%5cevil",
    b"//evil.example/",
    b"/\\evil.example",
];

pub const YAML: Seeds = &[
    b"public_url: https://tool.example.com\nlisten: 127.0.0.1:8080\ntrusted_proxies: [10.0.0.0/8, '::1']\nallowed_origins: [https://app.example.com]\nmarketing_cloud:\n  subdomain: mcabc\n  client_id: 0123\n  client_secret: { env: SECRET }\nsession:\n  keys: [{ env: KEY }]\nroutes:\n  - path: /mc/rest/\n    to: rest\n  - { path: /, to: \"http://127.0.0.1:3000\", access: public }\n",
    b"a: &x [1]\nb: *x\nc: !tag |\n  text\n? complex\n: - 1\n",
];

pub const FRAMING: Seeds = &[
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.0\r\n\r\n",
];

pub const FENCE: Seeds = &[
    b"https://mcabc.rest.marketingcloudapis.com/",
    b"mcabc.soap.marketingcloudapis.com",
    b"https://mcabc.rest.marketingcloudapis.com:443@evil.example/",
    b"*.rest.marketingcloudapis.com",
    b"127.0.0.1:*",
    b"https://[::1]:8080",
];

pub const FRAMES: Seeds = &[
    b"\x81\x05hello",
    b"\x82\x7e\x00\x05hello\x88\x02\x03\xe8",
    b"\x81\x85\x01\x02\x03\x04hello\x89\x00",
    b"\x82\x7f\0\0\0\0\0\0\0\x03abc",
];

pub const RECORDS: Seeds = &[b"", b"\0\x11\x01", b"\0\x20\xff\0\x40\x00"];

pub const SOAP: Seeds = &[
    b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><a:T xmlns:a='u' s:mustUnderstand=\"1\">&#x41;&amp;<![CDATA[x]]></a:T></s:Header><s:Body b=\"2\"/></s:Envelope>",
    b"<Envelope xmlns='http://www.w3.org/2003/05/soap-envelope' xmlns:f='http://exacttarget.com'><Header><f:fueloauth>x<y/></f:fueloauth><f:oAuth/><fueloauth>z</fueloauth></Header><!-- c --><Body><fueloauth xmlns=\"http://exacttarget.com\"/>]] &gt;</Body></Envelope>\n",
    b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Header/><?p q?><s:Body>text</s:Body></s:Envelope>",
    b"<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/'><s:Body><s:Fault><faultcode xmlns:q0='wss'>q0:Security</faultcode><faultstring>Token Expired</faultstring></s:Fault></s:Body></s:Envelope>",
];

pub const IMPORT: Seeds = &[
    b"provider = \"oidc\"\nclient_secret = 's'\nupstreams = [\"http://127.0.0.1:3000/a/\", 'unix:///run/x']\nskip_auth_routes = \"^/a/.*$,GET=^/b\"\nemail_domains = '*'\ncookie_expire = \"1.5h\"\n",
    b"session_store_type = 'redis'\nredis_connection_url = 'rediss://u:p@h:1/0'\nredirect_url = 'https://h/oauth2/callback'\nhttp_address = ':80'\n",
    b"server: { bindAddress: ':80' }\nupstreamConfig:\n  upstreams:\n    - { id: a, path: '^/a/(.*)$', rewriteTarget: '/$1', uri: 'http://h' }\nproviders:\n  - { id: x, clientSecret: '${A}' }\n",
];
