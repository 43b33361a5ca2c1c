//! Devices that ask.

use tollgate_domain::Time;
use tollgate_store::{
    Begun, DeviceCode, DeviceDecision, DeviceStore, FoundDevice, NewDevice, Poll, Polled, StoreError,
};

use super::Wrapped;

impl DeviceStore for Wrapped<dyn DeviceStore> {
    fn begin(&self, device: &NewDevice, max_open: u32) -> Result<Begun, StoreError> {
        self.call("devices.begin", |inner| inner.begin(device, max_open))
    }

    fn poll(&self, poll: &Poll) -> Result<Polled, StoreError> {
        self.call("devices.poll", |inner| inner.poll(poll))
    }

    fn find(&self, code: &DeviceCode) -> Result<FoundDevice, StoreError> {
        self.call("devices.find", |inner| inner.find(code))
    }

    fn decide(&self, decision: &DeviceDecision) -> Result<FoundDevice, StoreError> {
        self.call("devices.decide", |inner| inner.decide(decision))
    }

    fn forget(&self, devices: Time, guesses: Time, limit: u32) -> Result<u64, StoreError> {
        self.call("devices.forget", |inner| inner.forget(devices, guesses, limit))
    }
}
