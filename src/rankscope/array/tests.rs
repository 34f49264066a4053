//! Files of every kind, whole and hostile.
