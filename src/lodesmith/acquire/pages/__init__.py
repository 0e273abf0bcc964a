"""What every source comes down to: members by the patterns of their paths, and pages of them."""
