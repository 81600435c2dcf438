//! The people and the business units of the simulated enterprise.

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What forms and `login_hint` call them.
    pub id: String,
    /// The employee id, `user.sub` of userinfo: digits.
    pub sub: u64,
    /// Display name.
    pub name: String,
    /// Login name.
    pub username: String,
    /// Mail address.
    pub email: String,
    /// For example `en-GB`.
    pub locale: String,
    /// For example `Europe/London`.
    pub zone: String,
    /// The MIDs they may work in; the first is where they start.
    pub business_units: Vec<u64>,
    /// Their permissions as `Object.Operation`; `None` for all there are, as administrators have them.
    pub permissions: Option<Vec<String>>,
    /// Whether the package's access tab lists them; if not, signing in ends in `user_not_licensed`.
    pub licensed: bool,
}

/// A business unit of the enterprise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessUnit {
    /// Its MID.
    pub mid: u64,
    /// Its name.
    pub name: String,
}

/// The enterprise id (EID), the MID of the parent account.
pub(super) const ENTERPRISE_ID: u64 = 7_281_600;

/// The enterprise's name.
pub(super) const ENTERPRISE_NAME: &str = "Aurora Goods";

/// The business unit for Europe.
pub(super) const EUROPE: u64 = 7_281_698;

/// The business unit for Asia and the Pacific.
pub(super) const PACIFIC: u64 = 7_281_699;

/// The business unit for the Americas, where none of the ready-made people may work.
pub(super) const AMERICAS: u64 = 7_281_700;

pub(super) fn business_units() -> Vec<BusinessUnit> {
    [
        (EUROPE, "Aurora Goods Europe"),
        (PACIFIC, "Aurora Goods Asia Pacific"),
        (AMERICAS, "Aurora Goods Americas"),
        // The parent account is a unit, too.
        (ENTERPRISE_ID, ENTERPRISE_NAME),
    ]
    .map(|(mid, name)| BusinessUnit {
        mid,
        name: name.to_owned(),
    })
    .into()
}

pub(super) fn ready_made() -> Vec<Person> {
    let person = |id: &str, sub, name: &str, locale: &str, zone: &str, units: &[u64]| Person {
        id: id.to_owned(),
        sub,
        name: name.to_owned(),
        username: format!("{id}@aurora-goods"),
        email: format!("{}@example.com", name.to_lowercase().replace(' ', ".")),
        locale: locale.to_owned(),
        zone: zone.to_owned(),
        business_units: units.to_vec(),
        permissions: None,
        licensed: true,
    };
    let nora = Person {
        licensed: false,
        ..person(
            "nora",
            10_654_324,
            "Nora Unlicensed",
            "en-IE",
            "Europe/Dublin",
            &[EUROPE],
        )
    };
    vec![
        person(
            "ada",
            10_654_321,
            "Ada Martin",
            "en-GB",
            "Europe/London",
            &[EUROPE, PACIFIC, ENTERPRISE_ID],
        ),
        person(
            "jonas",
            10_654_322,
            "Jonas Weber",
            "de-DE",
            "Europe/Berlin",
            &[EUROPE],
        ),
        Person {
            permissions: Some(vec!["Asset.Read".to_owned(), "Email.Read".to_owned()]),
            ..person(
                "mei",
                10_654_323,
                "Mei Tanaka",
                "ja-JP",
                "Asia/Tokyo",
                &[PACIFIC],
            )
        },
        nora,
    ]
}

/// Somebody of another tenant.
pub(super) fn of_partner(id: &str, enterprise: u64, unit: u64) -> Person {
    Person {
        id: id.to_owned(),
        sub: enterprise + 1_000,
        name: format!("{id} of another account"),
        username: format!("{id}@{enterprise}"),
        email: format!("{id}@example.net"),
        locale: "en-US".to_owned(),
        zone: "America/Chicago".to_owned(),
        business_units: vec![unit],
        permissions: None,
        licensed: true,
    }
}

/// Whom a server-to-server token stands for.
pub(super) fn integration(client_id: &str) -> Person {
    Person {
        id: client_id.to_owned(),
        sub: 10_650_000,
        name: "API User".to_owned(),
        username: client_id.to_owned(),
        email: "api.user@example.com".to_owned(),
        locale: "en-US".to_owned(),
        zone: "America/Chicago".to_owned(),
        business_units: vec![EUROPE, PACIFIC],
        permissions: None,
        licensed: true,
    }
}
