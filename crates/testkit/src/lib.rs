//! What tests share: the app on its own database, a fixed clock, a playable provider
