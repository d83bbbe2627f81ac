"""How XLA compiles for the tests."""

# Fast rather than well, which halves the time of tests of TPU programs.
FAST = '--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true'
