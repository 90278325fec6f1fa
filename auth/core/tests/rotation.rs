//! Which key may take the place of which.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_auth_core::enrol::rotation::{Offer, Use};
use fleet_auth_core::enrol::{Keys, Progress, Standing, offer, rotation_age, take_up};
use fleet_contracts::enrolment::{DenialReason, EnrolmentId, EnrolmentRefusal as R};
use proptest::prelude::*;

const NOW: u64 = 1_000_000;

fn key(digit: char) -> EnrolmentId {
    digit.to_string().repeat(40).parse().expect("an id")
}

fn keys<'a>(current: &'a EnrolmentId, next: Option<(&'a EnrolmentId, Progress)>) -> Keys<'a> {
    Keys {
        current,
        current_ends: Some(NOW + 1),
        next,
    }
}

#[test]
fn a_key_is_offered_added_taken_up_and_is_then_the_current_one() {
    let (a, b) = (key('a'), key('b'));
    let ready = Standing::Ready;
    assert_eq!(offer(ready, &keys(&a, None), &b, NOW), Ok(Offer::Record));
    let wanted = keys(&a, Some((&b, Progress::Wanted)));
    assert_eq!(offer(ready, &wanted, &b, NOW), Ok(Offer::Wait));
    assert_eq!(take_up(ready, &wanted, &b), Err(R::Unavailable));
    let added = keys(&a, Some((&b, Progress::Added)));
    assert_eq!(offer(ready, &added, &b, NOW), Ok(Offer::Answer));
    assert_eq!(take_up(ready, &added, &b), Ok(Use::Promote));
    let promoted = keys(&b, None);
    assert_eq!(take_up(ready, &promoted, &b), Ok(Use::Answer), "said again");
    assert_eq!(
        take_up(ready, &promoted, &a),
        Err(R::BadProof),
        "the old key is nobody's"
    );
}

#[test]
fn a_device_that_lost_its_next_key_offers_another_and_goes_on_with_the_old() {
    let (a, b, c) = (key('a'), key('b'), key('c'));
    let added = keys(&a, Some((&b, Progress::Added)));
    assert_eq!(offer(Standing::Ready, &added, &c, NOW), Ok(Offer::Record));
    assert_eq!(take_up(Standing::Ready, &added, &a), Ok(Use::Answer));
    assert_eq!(
        offer(Standing::Ready, &added, &a, NOW),
        Err(R::Malformed),
        "its own key is no new one"
    );
}

#[test]
fn a_key_whose_time_is_over_brings_no_other() {
    let (a, b) = (key('a'), key('b'));
    let over = Keys {
        current_ends: Some(NOW),
        ..keys(&a, None)
    };
    assert_eq!(offer(Standing::Ready, &over, &b, NOW), Err(R::NotApproved));
}

#[test]
fn rotation_leaves_a_third_of_the_life() {
    assert_eq!(rotation_age(90), 60);
    assert_eq!(rotation_age(1), 1);
    assert_eq!(rotation_age(0), 0);
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Pending),
        Just(Standing::Approved),
        Just(Standing::Closed(DenialReason::Revoked)),
        Just(Standing::Closed(DenialReason::KeyExpired)),
    ]
}

proptest! {
    #[test]
    fn only_a_device_that_may_log_in_changes_its_key(
        standing in standings(), added in any::<bool>(), which in "[abc]",
    ) {
        let (a, b) = (key('a'), key('b'));
        let progress = if added { Progress::Added } else { Progress::Wanted };
        let all = keys(&a, Some((&b, progress)));
        let asked = key(which.chars().next().expect("one"));
        prop_assert!(offer(standing, &all, &asked, NOW).is_err());
        prop_assert!(take_up(standing, &all, &asked).is_err());
    }
}
