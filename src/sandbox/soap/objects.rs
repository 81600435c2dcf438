//! What the partner API has of each kind, and what can be made.

use std::collections::HashMap;

use crate::sandbox::people;
use crate::sandbox::people::Person;

/// Objects by who owns them.
#[derive(Default)]
pub(in crate::sandbox) struct Objects(HashMap<(u64, Kind), Vec<Object>>);

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Subscriber,
    List,
    DataExtension,
    BusinessUnit,
}

/// Properties and their values, in the order of the WSDL.
pub(super) type Object = Vec<(&'static str, String)>;

impl Kind {
    pub(super) const ALL: [Self; 4] = [
        Self::Subscriber,
        Self::List,
        Self::DataExtension,
        Self::BusinessUnit,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Subscriber => "Subscriber",
            Self::List => "List",
            Self::DataExtension => "DataExtension",
            Self::BusinessUnit => "BusinessUnit",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What such an object has, beside its client.
    pub(super) const fn properties(self) -> &'static [&'static str] {
        match self {
            Self::Subscriber => &["ID", "EmailAddress", "SubscriberKey", "Status"],
            Self::List => &["ID", "CustomerKey", "ListName", "Description"],
            Self::DataExtension => &["CustomerKey", "Name", "Description"],
            Self::BusinessUnit => &["ID", "CustomerKey", "Name"],
        }
    }
}

impl Objects {
    /// The objects of a kind in a business unit, which has its own but for the business units: those are
    /// the person's.
    pub(super) fn of(&mut self, mid: u64, kind: Kind, person: &Person) -> &mut Vec<Object> {
        let owner = match kind {
            Kind::BusinessUnit => person.sub,
            Kind::Subscriber | Kind::List | Kind::DataExtension => mid,
        };
        self.0
            .entry((owner, kind))
            .or_insert_with(|| seed(kind, person))
    }
}

fn seed(kind: Kind, person: &Person) -> Vec<Object> {
    let object =
        |values: Vec<String>| -> Object { kind.properties().iter().copied().zip(values).collect() };
    match kind {
        Kind::Subscriber => (1..=SUBSCRIBERS)
            .map(|n| {
                let address = format!("subscriber.{n}@example.com");
                object(vec![
                    (1000 + n).to_string(),
                    address,
                    format!("K-{n}"),
                    "Active".to_owned(),
                ])
            })
            .collect(),
        Kind::List => ["All Subscribers", "Newsletter", "VIP <Gold> & Silver"]
            .iter()
            .zip(1..)
            .map(|(name, n)| {
                let text = |text: &str| text.to_owned();
                object(vec![
                    n.to_string(),
                    format!("list-{n}"),
                    text(name),
                    text(""),
                ])
            })
            .collect(),
        Kind::DataExtension => ["Customers", "Orders/2026"]
            .iter()
            .map(|key| object(vec![(*key).to_owned(), (*key).to_owned(), String::new()]))
            .collect(),
        Kind::BusinessUnit => {
            let known = people::business_units();
            let name = |mid: u64| {
                let unit = known.iter().find(|unit| unit.mid == mid);
                unit.map_or_else(|| format!("Business unit {mid}"), |unit| unit.name.clone())
            };
            let units = person.business_units.iter();
            units
                .map(|&mid| object(vec![mid.to_string(), mid.to_string(), name(mid)]))
                .collect()
        }
    }
}

/// More than one answer holds.
const SUBSCRIBERS: u32 = 60;
