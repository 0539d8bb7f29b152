//! Clients in slots, indexes, groups as bitsets, last positions.
