"""What it runs on: devices, clusters and training programs, one YAML file each."""
