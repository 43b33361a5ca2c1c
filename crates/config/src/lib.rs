//! Configuration of Tollgate: one file a section
