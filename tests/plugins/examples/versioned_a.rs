//! The plugin `versioned` before its file is replaced by that of `versioned_b`.

test_plugins::versioned!("1.0.0");
