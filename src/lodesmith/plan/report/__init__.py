"""What a person reads: the plan as text, as a page, as JSON, and what to change first."""
