"""Where a plan runs: on this machine, under Slurm, under Kubernetes."""
