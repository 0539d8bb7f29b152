//! admit -> intercept -> address -> audience -> deliver -> observe.
