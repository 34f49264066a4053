//! Recorded attention.
