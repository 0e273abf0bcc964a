"""What was measured: published rows, and our own runs, to judge the planner and to calibrate it."""
