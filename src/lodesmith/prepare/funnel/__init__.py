"""What went into each step and what came out, with samples, and the page that shows it."""
