//! Laws and scenarios of enrolment: tokens are good once, and every world comes to rest.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use fleet_auth_core::enrol::plan::{Granted, User};
use fleet_auth_core::enrol::{
    Admission, Asked, Blocked, Claim, Existing, Goal, NextKey, Observed, Situation, Standing, Step,
    TokenId, TokenRecord, Use, admit, holds, next, standing,
};
use fleet_contracts::enrolment::{DenialReason, EnrolmentId, EnrolmentRefusal, EnrolmentToken};
use proptest::prelude::*;

const NOW: u64 = 1_000_000;

fn token() -> EnrolmentToken {
    EnrolmentToken::from_random(&[7; 32])
}

fn key(digit: char) -> EnrolmentId {
    digit.to_string().repeat(40).parse().expect("an id")
}

fn record() -> TokenRecord {
    TokenRecord {
        hash: token().hash(),
        expires_at: NOW + 1,
        device_id: None,
        labels: None,
        fleet: None,
        used: None,
    }
}

/// A device asks with the key of this digit, to be `device`.
fn ask(
    digit: char,
    device: Option<&str>,
    record: &TokenRecord,
    existing: Option<&Existing>,
) -> Result<Admission, EnrolmentRefusal> {
    let (token, key) = (token(), key(digit));
    let device = device.map(|id| id.parse().expect("an id"));
    let labels = BTreeMap::from([("site".to_owned(), "lyon".to_owned())]);
    let asked = Asked {
        token: &token,
        key: &key,
        device: device.as_ref(),
        labels: &labels,
    };
    admit(&asked, Some(record), existing, NOW)
}

fn open(device: &str, consume: Option<Use>, replace: Option<&str>) -> Admission {
    Admission::Open {
        device: device.parse().expect("an id"),
        consume,
        replace: replace.map(str::to_owned),
    }
}

fn used(digit: char, replaces: Option<&str>) -> Use {
    Use {
        by: key(digit),
        replaces: replaces.map(str::to_owned),
    }
}

fn existing(token: &str, is_closed: bool) -> Existing {
    Existing {
        uid: "u1".into(),
        token: token.into(),
        is_closed,
    }
}

#[test]
fn a_good_token_opens_an_enrolment_once() {
    let fresh = ask('a', Some("robot-7"), &record(), None);
    assert_eq!(fresh, Ok(open("robot-7", Some(used('a', None)), None)));
    let taken = TokenRecord {
        used: Some(used('a', None)),
        ..record()
    };
    assert_eq!(
        ask('b', None, &taken, None),
        Err(EnrolmentRefusal::TokenUsed)
    );
    // Killed after the token was used up: the same key goes on, also after the token's time.
    let late = TokenRecord {
        expires_at: 0,
        ..taken
    };
    let again = ask('a', Some("robot-7"), &late, None);
    assert_eq!(again, Ok(open("robot-7", None, None)));
    let opened = existing(TokenId::of(&token()).as_str(), false);
    assert_eq!(ask('a', None, &late, Some(&opened)), Ok(Admission::Answer));
}

#[test]
fn a_token_is_good_for_what_it_is_bound_to_only() {
    let bound = TokenRecord {
        device_id: Some("robot-7".parse().expect("an id")),
        labels: Some(BTreeMap::from([("site".to_owned(), "lyon".to_owned())])),
        ..record()
    };
    let fine = Ok(open("robot-7", Some(used('a', None)), None));
    assert_eq!(ask('a', None, &bound, None), fine);
    assert_eq!(ask('a', Some("robot-7"), &bound, None), fine);
    let other = ask('a', Some("robot-8"), &bound, None);
    assert_eq!(other, Err(EnrolmentRefusal::WrongDevice));
    let elsewhere = TokenRecord {
        labels: Some(BTreeMap::new()),
        ..bound
    };
    let labels = ask('a', None, &elsewhere, None);
    assert_eq!(labels, Err(EnrolmentRefusal::LabelNotAllowed));
    let over = TokenRecord {
        expires_at: NOW,
        ..record()
    };
    assert_eq!(
        ask('a', None, &over, None),
        Err(EnrolmentRefusal::TokenExpired)
    );
    let foreign = TokenRecord {
        hash: EnrolmentToken::from_random(&[8; 32]).hash(),
        ..record()
    };
    assert_eq!(
        ask('a', None, &foreign, None),
        Err(EnrolmentRefusal::TokenUnknown)
    );
}

#[test]
fn a_second_token_reopens_what_is_closed_once_and_nothing_else() {
    let open_one = existing("another", false);
    let refused = ask('a', None, &record(), Some(&open_one));
    assert_eq!(refused, Err(EnrolmentRefusal::AlreadyEnrolled));
    let closed = existing("another", true);
    let consume = Some(used('a', Some("u1")));
    let expected = Ok(open("device-aaaaaaaaaaaa", consume.clone(), Some("u1")));
    assert_eq!(ask('a', None, &record(), Some(&closed)), expected);
    // Killed after the token was used up.
    let taken = TokenRecord {
        used: consume,
        ..record()
    };
    let expected = Ok(open("device-aaaaaaaaaaaa", None, Some("u1")));
    assert_eq!(ask('a', None, &taken, Some(&closed)), expected);
    // Closed again later, by another uid: this token has had its turn.
    let later = Existing {
        uid: "u2".into(),
        ..closed
    };
    let refused = ask('a', None, &taken, Some(&later));
    assert_eq!(refused, Err(EnrolmentRefusal::AlreadyEnrolled));
}

#[test]
fn an_enrolment_stands_as_was_decided_and_done() {
    let pending = Situation {
        approved: None,
        created: NOW - 10,
        has_user: false,
        is_provisioned: false,
        key_expires: None,
    };
    let at = |s: Situation| standing(&s, NOW, 60);
    let closed = |reason| Standing::Closed(reason);
    assert_eq!(at(pending), Standing::Pending);
    assert_eq!(
        standing(&pending, NOW, 10),
        closed(DenialReason::ApprovalTimedOut)
    );
    let approved = Situation {
        approved: Some(true),
        created: 0,
        ..pending
    };
    assert_eq!(at(approved), Standing::Approved, "people outrank clocks");
    let ready = Situation {
        has_user: true,
        is_provisioned: true,
        key_expires: Some(NOW + 1),
        ..approved
    };
    assert_eq!(at(ready), Standing::Ready);
    assert_eq!(
        standing(&ready, NOW + 1, 60),
        closed(DenialReason::KeyExpired)
    );
    let denied = Situation {
        approved: Some(false),
        ..pending
    };
    assert_eq!(at(denied), closed(DenialReason::Rejected));
    let revoked = Situation {
        has_user: true,
        ..denied
    };
    assert_eq!(at(revoked), closed(DenialReason::Revoked));
}

fn claims() -> impl Strategy<Value = Vec<(u64, bool, u8)>> {
    prop::collection::vec((0..3_u64, any::<bool>(), 0..4_u8), 1..6)
}

proptest! {
    #[test]
    fn of_several_enrolments_at_most_one_holds_the_device_id(raw in claims()) {
        let names: Vec<String> = (0..raw.len()).map(|n| n.to_string()).collect();
        let all: Vec<Claim<'_>> = raw.iter().zip(&names).map(|((created, has_user, how), name)| Claim {
            name, created: *created, has_user: *has_user,
            standing: match how {
                0 => Standing::Pending,
                1 => Standing::Approved,
                2 => Standing::Ready,
                _ => Standing::Closed(DenialReason::Rejected),
            },
        }).collect();
        let holders = all.iter().filter(|c| holds(c, &all)).count();
        let open = all.iter().any(|c| !matches!(c.standing, Standing::Closed(_)));
        prop_assert_eq!(holders, usize::from(open));
    }
}

/// The identity provider, as far as the plan is concerned.
fn take(step: &Step, world: &mut Observed, serial: u32, recorded: bool) {
    let user = world.user.as_mut();
    match step {
        Step::CreateUser => {
            world.user = Some(User {
                id: "1".into(),
                has_jwt: true,
                is_active: true,
                device: None,
            });
        }
        Step::SetDevice => user.expect("a user").device = Some("robot-7".into()),
        Step::Reactivate => user.expect("a user").is_active = true,
        Step::Deactivate => user.expect("a user").is_active = false,
        Step::Grant => {
            let id = "g".into();
            world.grant = Some(Granted {
                id,
                has_role: true,
                is_active: true,
            });
        }
        Step::AddRole(_) => world.grant.as_mut().expect("a grant").has_role = true,
        Step::ActivateGrant(_) => world.grant.as_mut().expect("a grant").is_active = true,
        Step::RemoveKey(id) => assert!(world.keys.remove(id), "removed what was there"),
        Step::AddKey | Step::AddNextKey => {
            let id = format!("new-{serial}");
            world.keys.insert(id.clone());
            match step {
                _ if !recorded => {}
                Step::AddKey => world.recorded = Some(id),
                _ => world.next = NextKey::Recorded(id),
            }
        }
    }
}

fn worlds() -> impl Strategy<Value = Observed> {
    let user = (any::<bool>(), any::<bool>()).prop_map(|(is_active, named)| User {
        id: "1".into(),
        has_jwt: true,
        is_active,
        device: named.then(|| "robot-7".into()),
    });
    let grant = (any::<bool>(), any::<bool>()).prop_map(|(has_role, is_active)| Granted {
        id: "g".into(),
        has_role,
        is_active,
    });
    let keys = prop::collection::btree_set("[a-ceg]", 0..4);
    let recorded = prop::option::of("[a-d]");
    let next = prop_oneof![
        Just(NextKey::None),
        Just(NextKey::Wanted),
        "[e-g]".prop_map(NextKey::Recorded),
    ];
    let rest = (prop::option::of(grant), keys, recorded, next);
    (prop::option::of(user), rest).prop_map(|(user, (grant, keys, recorded, next))| Observed {
        grant: grant.filter(|_| user.is_some()),
        keys: if user.is_some() {
            keys
        } else {
            BTreeSet::new()
        },
        user,
        recorded,
        next,
    })
}

proptest! {
    #[test]
    fn every_world_comes_to_rest_and_killing_between_steps_changes_nothing(
        start in worlds(), deaths in prop::collection::vec(any::<bool>(), 16),
    ) {
        for goal in [Goal::Enrolled, Goal::Revoked] {
            let mut world = start.clone();
            let mut deaths = deaths.iter().take(3);
            let mut serial = 0;
            while let Some(step) = next(goal, "robot-7", &world).expect("not blocked") {
                serial += 1;
                prop_assert!(serial < 32, "no end with {step:?}");
                // Killed before the key was recorded, some times.
                let recorded = !deaths.next().is_some_and(|died| *died);
                take(&step, &mut world, serial, recorded);
                let half_made = world.user.as_ref().is_some_and(|u| u.device.is_none());
                let stranger = world.keys.iter().any(|k| !start.keys.contains(k));
                prop_assert!(!(half_made && stranger), "a key before the device's name");
            }
            let user = world.user.as_ref();
            match goal {
                Goal::Enrolled => {
                    let mut own: BTreeSet<String> = world.recorded.iter().cloned().collect();
                    prop_assert_eq!(own.len(), 1);
                    if let NextKey::Recorded(id) = &world.next {
                        own.insert(id.clone());
                    }
                    prop_assert!(world.next != NextKey::Wanted);
                    prop_assert_eq!(&world.keys, &own);
                    prop_assert!(user.is_some_and(|u| u.is_active && u.device.is_some()));
                    prop_assert!(world.grant.is_some_and(|g| g.has_role && g.is_active));
                }
                Goal::Revoked => {
                    prop_assert!(world.keys.is_empty());
                    prop_assert!(user.is_none_or(|u| !u.is_active));
                }
            }
        }
    }
}

#[test]
fn what_belongs_to_another_device_is_left_alone() {
    let mut world = Observed::default();
    take(&Step::CreateUser, &mut world, 0, true);
    let user = world.user.as_mut().expect("a user");
    user.device = Some("robot-8".into());
    for goal in [Goal::Enrolled, Goal::Revoked] {
        let blocked = next(goal, "robot-7", &world);
        assert_eq!(blocked, Err(Blocked::ForeignUser));
    }
    let user = world.user.as_mut().expect("a user");
    (user.device, user.has_jwt) = (None, false);
    let blocked = next(Goal::Enrolled, "robot-7", &world);
    assert_eq!(blocked, Err(Blocked::OpaqueTokens));
}
