//! The rules of Tollgate: users, keys, tiers, permissions, windows, usage
