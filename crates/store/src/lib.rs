//! The ports of Tollgate's storage, and the suite that every implementation must pass
