"""What balancers and breakers do to callers when servers are slow, gone or back: real pools in virtual time."""
