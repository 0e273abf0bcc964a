"""What one optimizer step takes: memory and seconds, by cause."""
