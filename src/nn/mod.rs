//! Layers with a model axis and book-keeping clipping.
