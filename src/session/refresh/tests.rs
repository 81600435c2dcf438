//! Results are kept, but not for ever and not without end.

use super::*;

fn landed(started: UnixTime, until: UnixTime) -> Flight {
    let (_, outcome) = watch::channel(Some(Outcome::Ended(Arc::new(RefreshError::NoToken))));
    Flight {
        outcome,
        aim: Aim {
            unit: None,
            verdict: Arc::default(),
            place: None,
        },
        until,
        started,
    }
}

fn key(number: usize) -> FlightKey {
    let mut key = FlightKey::default();
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

#[test]
fn the_oldest_results_give_way_when_there_are_very_many() {
    let (mut flights, now) = (HashMap::new(), UnixTime::from_millis(1_000_000));
    let until = now.plus(Duration::from_hours(1));
    for number in 0..MAX_FLIGHTS + 300 {
        make_room(&mut flights, now);
        let started = UnixTime::from_millis(u64::try_from(number).expect("small"));
        flights.insert(key(number), landed(started, until));
        assert!(flights.len() <= MAX_FLIGHTS, "{number}");
    }
    assert!(!flights.contains_key(&key(299)) && flights.contains_key(&key(300)));
}

#[test]
fn results_that_nobody_can_ask_for_are_forgotten_long_before() {
    let mut flights = HashMap::new();
    let mut now = UnixTime::from_millis(1_000_000);
    for number in 0..1_000 {
        make_room(&mut flights, now);
        flights.insert(key(number), landed(now, now.plus(Duration::from_secs(10))));
        now = now.plus(Duration::from_secs(1));
        assert!(flights.len() <= 64 + 10, "{}", flights.len());
    }
}
