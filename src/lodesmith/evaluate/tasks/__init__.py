"""What any model can be asked: text, benchmarks, along the line of models it came from."""
