//! The conformance suite: what every implementation of the ports must do.
