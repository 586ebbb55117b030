//! Membership inference attacks.
