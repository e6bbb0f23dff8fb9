#!/usr/bin/env bash
# Pretraining under SLURM: before its time is up the job saves, leaves and requeues itself, until the run is finished.
#
#   NAME=law RECIPE=base sbatch --nodes=2 --gpus-per-node=8 --time=24:00:00 pretrain/launch/slurm.sh [flags]
#
# Flags are those of pretrain.train. Submit it after `make examples`, in the folder that holds artifacts/; all nodes have
# to see the examples, the first one alone reads and writes the run. Other variables: ARTIFACTS, LAUNCH (ddp, fsdp or
# deepspeed), GPUS (of a node), PYTHON. Whatever stands below as #SBATCH can be given to sbatch instead.
#SBATCH --job-name=hanbeot
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks-per-node=1
#SBATCH --requeue
#SBATCH --signal=B:USR1@300
set -euo pipefail

recipe=${RECIPE:-sample}
name=${NAME:-$(basename "$recipe" .toml)}
run=${ARTIFACTS:-artifacts}/pretrain/$name
gpus=${GPUS:-${SLURM_GPUS_ON_NODE:-1}}
if [ -z "${PYTHON:-}" ]; then
    PYTHON=$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)
fi
export PYTHON
# SLURM runs a copy of this script, so what lies beside it is asked for.
beside=$("$PYTHON" -c 'from importlib.resources import files; print(files("pretrain") / "launch")')

# The newest checkpoint, or nothing.
newest() { compgen -G "$run/checkpoints/step-*" | sort | tail -n 1 || true; }

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
processes=$((gpus * ${#nodes[@]}))
launch=(--num_processes "$processes" --num_machines "${#nodes[@]}" --mixed_precision no --dynamo_backend no
    --main_process_ip "${nodes[0]}" --main_process_port $((20000 + SLURM_JOB_ID % 20000)))
if [ "${LAUNCH:-ddp}" != ddp ]; then
    launch+=(--config_file "$beside/$LAUNCH.yaml")
elif [ "$processes" -gt 1 ]; then
    launch+=(--multi_gpu)
fi
train=(-m pretrain.train --recipe "$recipe" --name "$name" --artifacts "${ARTIFACTS:-artifacts}" "$@")

before=$(newest)
asked=no
trap 'asked=yes' USR1
srun --ntasks="${#nodes[@]}" --ntasks-per-node=1 --kill-on-bad-exit=1 \
    ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
    bash "$beside/node.sh" "${launch[@]}" "${train[@]}" &
step=$!
while kill -0 "$step" 2> /dev/null; do
    # Again and again, because a process that is just starting does not listen yet.
    [ "$asked" = no ] || kill -USR1 "$step" 2> /dev/null || true
    sleep 5 &
    wait -n || true
done
wait "$step" && status=0 || status=$?

if [ -e "$run/manifest.json" ]; then
    echo "slurm.sh: $run is finished"
elif [ "$asked" = yes ] && [ "$(newest)" != "$before" ]; then
    # A launcher has exit codes of its own, so what lies there tells. Without a step done it would go on like that forever.
    echo "slurm.sh: saved as $(newest); the job is queued again"
    scontrol requeue "$SLURM_JOB_ID"
else
    echo "slurm.sh: $run is not finished, see above" >&2
    exit $((status > 0 ? status : 1))
fi
