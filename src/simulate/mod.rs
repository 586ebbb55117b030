//! Seeded simulator of the datasets os and vca.
