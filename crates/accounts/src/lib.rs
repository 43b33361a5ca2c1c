//! Sign-up, sessions, passwords, keys, administration
