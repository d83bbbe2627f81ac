"""Google's cloud on loopback, as far as the tests need it."""
