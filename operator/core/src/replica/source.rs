/// Where events come from. Nothing is written before each has told all it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `Deployment` objects.
    Deployments,
    /// `Device` objects.
    Devices,
    /// `DeviceEnrolment` objects.
    Enrolments,
    /// Bucket `device-info`.
    Info,
    /// Bucket `device-state`.
    Reports,
    /// Bucket `device-heartbeat`.
    Heartbeats,
    /// Bucket `desired-state`.
    Desired,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Deployments,
        Self::Devices,
        Self::Enrolments,
        Self::Info,
        Self::Reports,
        Self::Heartbeats,
        Self::Desired,
    ];

    /// Those of the API server. A watch of them tells nobody how far behind it is.
    pub const OBJECTS: [Self; 3] = [Self::Deployments, Self::Devices, Self::Enrolments];

    /// For logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::Devices => "devices",
            Self::Enrolments => "enrolments",
            Self::Info => "device-info",
            Self::Reports => "device-state",
            Self::Heartbeats => "device-heartbeat",
            Self::Desired => "desired-state",
        }
    }
}
