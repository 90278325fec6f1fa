//! What a device that was let in tries on the bus.

use super::{Attack, attack};

const NO_PERMISSION: &str = "nats-server: permissions violation";
const OWN_ACCOUNT: &str = "nats-server: the answer stays in the devices' account";

/// Answers that go where they should not.
pub(super) const ANSWERS: &[Attack] = &[
    attack(
        "reply of a put into another device",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_put_into_another_device"),
    ),
    attack(
        "reply of a put into the PLATFORM account",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_put_into_the_platform_account"),
    ),
    attack(
        "reply of a put into the desired state",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_put_into_the_desired_state"),
    ),
    attack(
        "reply of a direct get into another device",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_direct_get_into_another_device"),
    ),
    attack(
        "reply of a direct get into the PLATFORM account",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_direct_get_into_the_platform_account"),
    ),
    attack(
        "reply of a direct get into the desired state",
        OWN_ACCOUNT,
        both!("replies", "reply_of_a_direct_get_into_the_desired_state"),
    ),
];

/// Writing what is not one's own, or too much of it.
pub(super) const WRITING: &[Attack] = &[
    attack(
        "roll-up that purges the bucket",
        "the stream: rollup not permitted",
        both!("writing", "roll_up_that_purges_the_bucket"),
    ),
    attack(
        "write to another device's keys",
        NO_PERMISSION,
        both!("writing", "write_to_another_devices_keys"),
    ),
    attack(
        "deployment names with . * > spaces and unicode",
        "nats-server: a subject of the device's own, or none",
        both!(
            "writing",
            "deployment_names_with_wildcards_dots_spaces_and_unicode"
        ),
    ),
    attack(
        "flood of payload",
        "nats-server: maximum payload; one key a device",
        both!("writing", "flood_of_payload"),
    ),
    attack(
        "200 subscriptions",
        "nats-server: maximum subscriptions exceeded",
        both!("listening", "two_hundred_subscriptions"),
    ),
];

/// Reading what is not one's own.
pub(super) const READING: &[Attack] = &[
    attack(
        "read of another device's desired state",
        NO_PERMISSION,
        both!("streams", "read_of_another_devices_desired_state"),
    ),
    attack(
        "consumer with a foreign filter",
        NO_PERMISSION,
        both!("streams", "consumer_with_a_foreign_filter"),
    ),
    attack(
        "consumer without a filter",
        NO_PERMISSION,
        both!("streams", "consumer_without_a_filter"),
    ),
    attack(
        "consumer with several filters",
        NO_PERMISSION,
        both!("streams", "consumer_with_several_filters"),
    ),
    attack(
        "STREAM.INFO",
        NO_PERMISSION,
        both!("streams", "stream_info"),
    ),
    attack(
        "STREAM.MSG.GET",
        NO_PERMISSION,
        both!("streams", "message_get"),
    ),
    attack(
        "DIRECT.GET of any message",
        NO_PERMISSION,
        both!("streams", "direct_get_of_any_message"),
    ),
    attack(
        "CONSUMER.LIST and NAMES",
        NO_PERMISSION,
        both!("streams", "consumer_list"),
    ),
    attack(
        "CONSUMER.DELETE",
        NO_PERMISSION,
        both!("streams", "consumer_delete"),
    ),
    attack(
        "subscription to another's inbox",
        NO_PERMISSION,
        both!("listening", "subscription_to_anothers_inbox"),
    ),
    attack(
        "subscription to another's doorbell",
        NO_PERMISSION,
        both!("listening", "subscription_to_anothers_doorbell"),
    ),
    attack(
        "subscription to everything",
        NO_PERMISSION,
        both!("listening", "subscription_to_everything"),
    ),
    attack(
        "device that poses as the operator",
        "nats-server: authentication error; permissions violation",
        both!("writing", "device_that_poses_as_the_operator"),
    ),
];
