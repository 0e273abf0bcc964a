"""Benchmarks: tasks as data (`task_files/*.yaml`), and the few ways in which a task is scored."""
