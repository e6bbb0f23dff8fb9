#!/usr/bin/env bash
# One node's part of slurm.sh: `accelerate launch` with the given flags as this node's launcher.
#
# SIGUSR1 means: save and leave. The launcher would die of it and its processes have sessions of their own, so it is kept
# from the one and handed to the others. SIGTERM is the launcher's: it hands it on and waits.
set -euo pipefail

export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=${TORCH_ELASTIC_SHUTDOWN_TIMEOUT:-120}
launcher=
trap '[ -z "$launcher" ] || pkill -USR1 -P "$launcher" || true' USR1
trap : TERM
(
    trap '' USR1 # ignored by whatever is started from here on, until it says otherwise
    exec "$PYTHON" -m accelerate.commands.launch --machine_rank "${SLURM_NODEID:-0}" "$@"
) &
launcher=$!
while kill -0 "$launcher" 2> /dev/null; do
    wait "$launcher" || true # a signal ends it
done
wait "$launcher"
