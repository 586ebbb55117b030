//! Plans and runs jobs.
