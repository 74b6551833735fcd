//! The plugin `versioned` after the file of `versioned_a` was replaced.

test_plugins::versioned!("2.0.0");
