"""Which layout: every valid one ranked, the rules that the others break, and the trainer's own."""
