//! Every endpoint with its answers, and how to get each.

use crate::support::browser::SCRIPT;

/// An endpoint.
pub struct Endpoint {
    pub name: &'static str,
    /// `ANY`, or as the field `Allow` says it.
    pub methods: &'static str,
    pub about: &'static str,
    pub cases: &'static [Case],
}

/// An answer of it.
pub struct Case {
    pub status: u16,
    pub code: &'static str,
    pub when: &'static str,
    pub ask: Ask,
}

/// How to get the answer.
pub enum Ask {
    /// A request without a session.
    Nobody(
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
    /// A request of somebody who is signed in.
    Ada(
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    ),
    /// The return from a sign-in at the provider.
    Return,
    /// Another test gets it.
    Test(&'static str),
}

pub const ANY: &str = "any";

pub const PAGE: &[(&str, &str)] = &[
    ("accept", "text/html"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "same-origin"),
];

pub const FOREIGN: &[(&str, &str)] = &[
    ("sec-fetch-site", "cross-site"),
    ("accept", "application/json"),
];

pub const FORM: &[(&str, &str)] = &[
    ("accept", "text/html"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "same-origin"),
];

pub const ASKED_ELSEWHERE: &[(&str, &str)] = &[
    ("x-forwarded-method", "POST"),
    ("sec-fetch-site", "cross-site"),
];

pub const PUBLIC: &[Endpoint] = &[
    Endpoint {
        name: "",
        methods: "GET, HEAD",
        about: "The account page: who is signed in, in which business unit, the way into another one, until when, and the sign-out.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "Somebody is signed in.",
                ask: Ask::Ada("GET", "", PAGE, ""),
            },
            Case {
                status: 302,
                code: "",
                when: "Nobody is, and a document is navigated to: to Marketing Cloud.",
                ask: Ask::Nobody("GET", "", PAGE, ""),
            },
            Case {
                status: 401,
                code: "SG-2001",
                when: "Nobody is, and a program asks.",
                ask: Ask::Nobody("GET", "", &SCRIPT, ""),
            },
        ],
    },
    Endpoint {
        name: "start",
        methods: "GET, HEAD",
        about: "Starts a sign-in. `rd` is a path of this site to come back to; anything else becomes `/`. Sets the cookie of this attempt.",
        cases: &[
            Case {
                status: 302,
                code: "",
                when: "To Marketing Cloud's `/v2/authorize`.",
                ask: Ask::Nobody("GET", "start?rd=/page", PAGE, ""),
            },
            Case {
                status: 200,
                code: "",
                when: "In a frame, with `session.embedded`: a page that signs in silently.",
                ask: Ask::Test(
                    "embedded::the_login_endpoint_in_a_frame_leads_to_the_same_page_or_straight_on",
                ),
            },
            Case {
                status: 405,
                code: "SG-2050",
                when: "A form is posted, as packages did before OAuth.",
                ask: Ask::Nobody("POST", "start", FORM, "jwt=x"),
            },
            Case {
                status: 429,
                code: "SG-1021",
                when: "More sign-ins of one address than `rate_limits.sign_in`.",
                ask: Ask::Test("shares::an_address_may_start_so_many_sign_ins"),
            },
        ],
    },
    Endpoint {
        name: "callback",
        methods: "GET, HEAD",
        about: "The redirect URI: ends a sign-in. Its path is what Setup has to know.",
        cases: &[
            Case {
                status: 303,
                code: "",
                when: "Signed in: to the page that was asked for, with the session's cookie.",
                ask: Ask::Return,
            },
            Case {
                status: 400,
                code: "SG-2002",
                when: "The sign-in was not started by this browser, or is too old.",
                ask: Ask::Nobody(
                    "GET",
                    "callback?code=x&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                    PAGE,
                    "",
                ),
            },
            Case {
                status: 400,
                code: "SG-2003",
                when: "A parameter is missing or there twice.",
                ask: Ask::Nobody("GET", "callback?code=x", PAGE, ""),
            },
            Case {
                status: 403,
                code: "SG-2005",
                when: "Marketing Cloud sends an error, such as that the person is not licensed. Each has its code.",
                ask: Ask::Test("refusals::who_is_not_licensed_is_told_so"),
            },
            Case {
                status: 429,
                code: "SG-1021",
                when: "More returns to one address than `rate_limits.callback`.",
                ask: Ask::Test("shares::an_address_may_come_back_so_many_times"),
            },
            Case {
                status: 503,
                code: "SG-2014",
                when: "The token endpoint does not answer; loading the page again may do.",
                ask: Ask::Test(
                    "callback::a_callback_that_the_provider_could_not_serve_works_when_loaded_again",
                ),
            },
        ],
    },
    Endpoint {
        name: "sign_out",
        methods: "GET, HEAD, POST",
        about: "`POST` forgets the session. `GET` shows a page with one button; with `session.embedded` it forgets the session too, as Marketing Cloud's sign-out calls it.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "`GET`: the page with the button.",
                ask: Ask::Nobody("GET", "sign_out", PAGE, ""),
            },
            Case {
                status: 204,
                code: "",
                when: "`POST` of a script.",
                ask: Ask::Ada("POST", "sign_out", &SCRIPT, ""),
            },
            Case {
                status: 200,
                code: "",
                when: "`POST` of a form: a page that says so.",
                ask: Ask::Ada("POST", "sign_out", FORM, ""),
            },
            Case {
                status: 403,
                code: "SG-1006",
                when: "`POST`, and nothing shows that a page of this site sent it.",
                ask: Ask::Ada("POST", "sign_out", FOREIGN, ""),
            },
        ],
    },
    Endpoint {
        name: "userinfo",
        methods: "GET, HEAD",
        about: "JSON: `user`, `tenant`, `organization`, `business_unit`, `recent_units`, `permissions`, `scope`, `expires_in`, `session`, `token` (when it ends). Never a token.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "Somebody is signed in.",
                ask: Ask::Ada("GET", "userinfo", &SCRIPT, ""),
            },
            Case {
                status: 200,
                code: "",
                when: "The same, asked with `?look=1`, which is no use of the session: it neither renews nor prolongs it.",
                ask: Ask::Ada("GET", "userinfo?look=1", &SCRIPT, ""),
            },
            Case {
                status: 401,
                code: "SG-2001",
                when: "Nobody is; never a redirect.",
                ask: Ask::Nobody("GET", "userinfo", PAGE, ""),
            },
            Case {
                status: 503,
                code: "SG-3001",
                when: "The token ran out and cannot be renewed at the moment. The session stays.",
                ask: Ask::Test("outage::an_outage_with_a_dead_token_is_a_503_until_it_is_over"),
            },
        ],
    },
    Endpoint {
        name: "session.js",
        methods: "GET, HEAD",
        about: "A script for tools: it warns before the session ends and renews it in place; see [session-helper](session-helper.md). The same for everybody, with an `ETag`.",
        cases: &[Case {
            status: 200,
            code: "",
            when: "Always.",
            ask: Ask::Nobody("GET", "session.js", &SCRIPT, ""),
        }],
    },
    Endpoint {
        name: "auth",
        methods: ANY,
        about: "For a proxy in front that asks about each request; see [proxies](../README.md#behind-a-proxy-that-asks). The answer carries the identity as [fields](headers.md#what-a-tool-gets).",
        cases: &[
            Case {
                status: 202,
                code: "",
                when: "Somebody is signed in, and the rules of the route hold.",
                ask: Ask::Ada("GET", "auth", &SCRIPT, ""),
            },
            Case {
                status: 200,
                code: "",
                when: "The same, asked with `?status=200`.",
                ask: Ask::Ada("GET", "auth?status=200", &SCRIPT, ""),
            },
            Case {
                status: 401,
                code: "SG-2001",
                when: "Nobody is signed in.",
                ask: Ask::Nobody("GET", "auth", PAGE, ""),
            },
            Case {
                status: 403,
                code: "SG-1006",
                when: "The request that is asked about is unsafe, or a WebSocket, and comes from another site.",
                ask: Ask::Ada("GET", "auth", ASKED_ELSEWHERE, ""),
            },
            Case {
                status: 403,
                code: "SG-2031",
                when: "A rule of the route does not hold; or SG-2034 to SG-2036.",
                ask: Ask::Test("access::a_proxy_in_front_is_told_of_the_rules"),
            },
        ],
    },
    Endpoint {
        name: "business_unit",
        methods: "POST",
        about: "`{\"account_id\": 123}`, or a form with `account_id` and `rd`: the session goes on in that business unit.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "JSON was sent: the session as `userinfo` tells it.",
                ask: Ask::Ada("POST", "business_unit", JSON, "{\"account_id\": 7281699}"),
            },
            Case {
                status: 303,
                code: "",
                when: "A form was sent: to its `rd`, or to the account page.",
                ask: Ask::Ada(
                    "POST",
                    "business_unit",
                    FORM,
                    "account_id=7281699&rd=%2Fpage",
                ),
            },
            Case {
                status: 400,
                code: "SG-2033",
                when: "The request names no business unit.",
                ask: Ask::Ada("POST", "business_unit", JSON, "{}"),
            },
            Case {
                status: 401,
                code: "SG-2001",
                when: "Nobody is signed in.",
                ask: Ask::Nobody("POST", "business_unit", JSON, "{\"account_id\": 7281699}"),
            },
            Case {
                status: 403,
                code: "SG-1006",
                when: "Nothing shows that a page of this site sent it.",
                ask: Ask::Ada(
                    "POST",
                    "business_unit",
                    FOREIGN,
                    "{\"account_id\": 7281699}",
                ),
            },
            Case {
                status: 403,
                code: "SG-2030",
                when: "Marketing Cloud does not grant the unit.",
                ask: Ask::Ada("POST", "business_unit", JSON, "{\"account_id\": 1}"),
            },
            Case {
                status: 409,
                code: "SG-2037",
                when: "The session has no refresh token (no scope `offline`).",
                ask: Ask::Test("units::who_cannot_switch_stays_signed_in"),
            },
        ],
    },
];

pub const JSON: &[(&str, &str)] = &[
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-site", "same-origin"),
];

/// Those that are there with `session.embedded` only.
pub const FRAMED: &[Endpoint] = &[
    Endpoint {
        name: "framed",
        methods: "GET, HEAD",
        about: "Where a silent sign-in within a frame ends: tells the page around it.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "The frame's cookies came back.",
                ask: Ask::Ada("GET", "framed", PAGE, ""),
            },
            Case {
                status: 400,
                code: "SG-2051",
                when: "They did not.",
                ask: Ask::Nobody("GET", "framed", PAGE, ""),
            },
        ],
    },
    Endpoint {
        name: "handover",
        methods: "POST",
        about: "Takes the session that another window signed in, for the frame that waits for it.",
        cases: &[
            Case {
                status: 400,
                code: "SG-2052",
                when: "What came is not for this frame.",
                ask: Ask::Nobody("POST", "handover", JSON, "{}"),
            },
            Case {
                status: 204,
                code: "",
                when: "The frame has the session.",
                ask: Ask::Test(
                    "embedded::a_window_hands_its_session_to_the_frame_that_waits_for_it",
                ),
            },
        ],
    },
];

pub const ADMIN: &[Endpoint] = &[
    Endpoint {
        name: "",
        methods: "GET, HEAD",
        about: "The status page: what needs attention, the last hour, upstreams, store, circuit breaker, keys, ages of secrets, recent problems.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "Asked for by address, as `localhost`, or by a name of `admin_hosts`.",
                ask: Ask::Nobody("GET", "", &[], ""),
            },
            Case {
                status: 421,
                code: "",
                when: "Asked for by another name.",
                ask: Ask::Nobody("GET", "", OTHER_HOST, ""),
            },
        ],
    },
    Endpoint {
        name: "status.json",
        methods: "GET, HEAD",
        about: "The same as JSON.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "As above.",
                ask: Ask::Nobody("GET", "status.json", &[], ""),
            },
            Case {
                status: 421,
                code: "",
                when: "As above.",
                ask: Ask::Nobody("GET", "status.json", OTHER_HOST, ""),
            },
        ],
    },
    Endpoint {
        name: "livez",
        methods: "GET, HEAD",
        about: "Whether the process answers.",
        cases: &[Case {
            status: 200,
            code: "",
            when: "Always.",
            ask: Ask::Nobody("GET", "livez", &[], ""),
        }],
    },
    Endpoint {
        name: "startupz",
        methods: "GET, HEAD",
        about: "Whether the configuration is in force and every worker accepts. Neither provider nor store counts.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "Started.",
                ask: Ask::Nobody("GET", "startupz", &[], ""),
            },
            Case {
                status: 503,
                code: "",
                when: "Not yet, with `reasons`.",
                ask: Ask::Test(
                    "src/admin/readiness.rs::a_start_ends_once_and_a_drain_does_not_undo_it",
                ),
            },
        ],
    },
    Endpoint {
        name: "readyz",
        methods: "GET, HEAD",
        about: "Whether requests should come here.",
        cases: &[
            Case {
                status: 200,
                code: "",
                when: "They should.",
                ask: Ask::Nobody("GET", "readyz", &[], ""),
            },
            Case {
                status: 503,
                code: "",
                when: "With `reasons`: `starting`, `draining`, `session_store`.",
                ask: Ask::Test("status::a_drain_turns_readiness_red_and_neither_life_nor_start"),
            },
        ],
    },
    Endpoint {
        name: "metrics",
        methods: "GET, HEAD",
        about: "Prometheus text, or OpenMetrics where `Accept` asks for it.",
        cases: &[Case {
            status: 200,
            code: "",
            when: "Always.",
            ask: Ask::Nobody("GET", "metrics", &[], ""),
        }],
    },
    Endpoint {
        name: "version",
        methods: "GET, HEAD",
        about: "JSON: `name` and `version`.",
        cases: &[Case {
            status: 200,
            code: "",
            when: "Always.",
            ask: Ask::Nobody("GET", "version", &[], ""),
        }],
    },
];

pub const OTHER_HOST: &[(&str, &str)] = &[("host", "rebound.example")];
