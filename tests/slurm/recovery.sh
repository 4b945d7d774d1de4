#!/usr/bin/env bash
# A sweep through a real Slurm of two nodes on this host: in the middle of it a running task and a node's daemon are killed, and in the end the merged rows
# must be those of one machine, byte for byte.
#
#   tests/slurm/recovery.sh [path of rewardlab]        (default: target/release/rewardlab)
#
# Skips, saying why, where Slurm (slurmctld, slurmd, sbatch) or munge is not installed. Everything lives in a folder under /tmp that is removed.
set -euo pipefail

program=$(realpath "${1:-target/release/rewardlab}")
for tool in munged slurmctld slurmd sbatch squeue scancel; do
  PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" > /dev/null || { echo "skipped: $tool is not installed (Debian: slurm-wlm, munge)"; exit 0; }
done
export PATH="$PATH:/usr/sbin:/sbin"

id=vanishing_gradients/theorem1
selection=("$id" --profile paper --seeds 0..19)
shards=6
home=$(mktemp -d /tmp/rewardlab-slurm.XXXXXX)
sweep=$home/sweep

stop() {
  trap - EXIT
  scancel --full --user "$(id -un)" > /dev/null 2>&1 || true
  pkill -KILL -f "^$program .* --out $sweep" || true
  for file in "$home"/*.pid; do [ -s "$file" ] && kill -KILL "$(cat "$file")" 2> /dev/null; done || true
  # step daemons of this Slurm, and of no other on this host
  for pid in $(pgrep slurmstepd || true); do grep -qsz "$home" "/proc/$pid/environ" && kill -KILL "$pid"; done || true
  rm -rf "$home"
}
trap stop EXIT
fail() {
  echo "FAILED: $*" >&2
  "$program" status "$sweep" >&2 || true
  sinfo >&2 || true
  squeue >&2 || true
  tail -n 5 "$sweep"/slurm/logs/*.log "$home"/*.log >&2 || true
  exit 1
}
# wait SECONDS WHAT COMMAND…: until the command succeeds
await() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "waited in vain for: $what"
    sleep 0.2
  done
}

## two nodes, one core each
host=$(hostname -s)
user=$(id -un)
port=$((20000 + RANDOM % 20000))
chmod 755 "$home"
mkdir -p "$home"/{munge,state,spool-rl1,spool-rl2}
chmod 700 "$home/munge"
head -c 1024 /dev/urandom > "$home/munge/key"
chmod 400 "$home/munge/key"
# munge wants its socket in a folder that all may enter
mkdir -m 755 "$home/socket"
munged --key-file="$home/munge/key" --socket="$home/socket/munge" --pid-file="$home/munged.pid" --seed-file="$home/munge/seed" \
  --log-file="$home/munge/log" --force 2> "$home/munged.log"
cat > "$home/slurm.conf" <<CONF
ClusterName=rewardlab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$home/socket/munge
CredType=cred/munge
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool-%n
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/%n.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=2
ReturnToService=2
SlurmdTimeout=8
SlurmctldTimeout=10
KillWait=2
JobRequeue=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=rl[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=1 State=UNKNOWN
PartitionName=all Nodes=rl[1-2] Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$home/slurm.conf
slurmctld -f "$SLURM_CONF"
for node in rl1 rl2; do slurmd -f "$SLURM_CONF" -N $node; done
idle() { [ "$(sinfo --noheader --format=%T:%D 2> /dev/null)" = "idle:2" ]; }
await 30 "two idle nodes" idle

## the sweep
"$program" submit slurm "${selection[@]}" --out "$sweep" --array-size $shards --pause 1
journal() { echo "$sweep/$id/shards/$1-of-$shards/journal.jsonl"; }
lines() { wc -l 2> /dev/null < "$(journal "$1")" || echo 0; }
at_work() { [ "$(squeue --noheader --states=R --array 2> /dev/null | wc -l)" -eq 2 ] && [ "$(lines 1)" -gt 5 ] && [ "$(lines 2)" -gt 5 ]; }
await 60 "two tasks at work" at_work

# the first shard's process is killed; its task ends with an error, and the next round goes on with it
before=$(lines 1)
pkill -KILL -f "^$program run .* --out $sweep .* --shard 1/$shards " || fail "shard 1 is not running"
echo "killed shard 1 after $((before - 1)) units"
# the daemon of the second shard's node dies; its process does not know, and goes on beside its successor's attempts
node=$(squeue --noheader --states=R --array --format="%K %N" | awk '$1 == 2 { print $2 }')
[ -n "$node" ] || fail "shard 2 has no node"
kill -KILL "$(cat "$home/$node.pid")"
echo "killed the daemon of $node, where shard 2 ran"
down() { sinfo --noheader --nodes="$node" --format=%T 2> /dev/null | grep -q down; }
await 60 "$node to be down" down
slurmd -f "$SLURM_CONF" -N "$node"

merged() { [ -s "$sweep/$id/manifest.toml" ] && [ -s "$sweep/index.html" ]; }
most=0
recovered() {
  local done
  # what is done stays done
  done=$("$program" status "$sweep" | awk -v id=$id '$1 == id && $3 == "of" { print $2 }')
  [ "${done:-0}" -ge $most ] || fail "$done units are done, and $most were"
  most=${done:-0}
  merged
}
await 240 "the merged result" recovered

## the same bytes as from one machine, and nothing twice
"$program" run "${selection[@]}" --out "$home/alone" > /dev/null || [ $? -le 3 ]
cmp "$home/alone/$id/rows.csv" "$sweep/$id/rows.csv" || fail "the rows differ"
cmp "$home/alone/$id/checks.csv" "$sweep/$id/checks.csv" || fail "the checks differ"
kept=$(grep -o "going on after [0-9]*" "$sweep/slurm/logs/1.log" | tail -n 1 | grep -o "[0-9]*$") || fail "shard 1 did not go on"
[ "$kept" -ge $((before - 1)) ] || fail "shard 1 went on after $kept units, and $((before - 1)) were done"
"$program" status "$sweep" > /dev/null || fail "status says that it is not done"
rounds=$(grep -c "^\[\[rounds\]\]" "$sweep/slurm/submission.toml")
echo "recovered in $rounds rounds; shard 1 kept $kept units; rows.csv is that of one machine"
