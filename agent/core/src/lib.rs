//! Plans what a device has to do so that what runs on it becomes what should run on it.
