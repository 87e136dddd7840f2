"""What the tests with real processes share: clusters, clients, faults. Python's standard library only."""
