//! Metering, recording, quota and analytics
