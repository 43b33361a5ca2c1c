//! HTTP to model providers
