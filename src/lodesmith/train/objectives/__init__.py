"""What a run makes small, and the sums that its gradients come from."""
