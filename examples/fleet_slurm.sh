#!/bin/bash
# Download a planned list with an array of Slurm jobs. Each job works on one slice.
#
#   rheo fleet plan urls.parquet -o /shared/crawl --lanes 64
#   sbatch fleet_slurm.sh /shared/crawl
#   rheo fleet status /shared/crawl --watch
#
# A job that is killed or requeued continues when it runs again. Plan at least two lanes for each job.
#SBATCH --job-name=fleet
#SBATCH --array=0-31
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --output=fleet-%A-%a.log

out=${1:?name the output folder of the plan}
number=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN))

# Exit status 1: the slice is complete, and some downloads failed. The manifests name them.
srun rheo fleet work "$out" --slice "$number/$SLURM_ARRAY_TASK_COUNT" || [ $? -eq 1 ]
