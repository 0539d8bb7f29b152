//! Emergencies: kept, repeated until cancelled, shown to newcomers.
