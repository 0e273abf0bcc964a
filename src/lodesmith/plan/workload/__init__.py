"""What is trained: the shape of a model, its layouts over devices, and its arithmetic."""
