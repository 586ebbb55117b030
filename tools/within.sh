#!/usr/bin/env bash
# within.sh SECONDS COMMAND...
# Runs a command. When it takes longer, it says what each process of it and each of their threads (libtest names
# them after their tests) is doing, ends them all and fails: a test that hangs has a name then.
set -uo pipefail
limit=$1
shift

# A process and all below it, parents first.
tree() {
  echo "$1"
  local child
  for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do tree "$child"; done
}

describe() {
  local task
  echo "process $1: $(tr '\0' ' ' </proc/"$1"/cmdline | cut -c -300)"
  for task in /proc/"$1"/task/*; do
    echo "  thread $(cat "$task/comm") waits in $(cat "$task/wchan")"
  done
  # Only threads of tests and of the tool: those of others say nothing here.
  if command -v gdb >/dev/null; then
    timeout 120 gdb -p "$1" -batch -ex "thread apply all backtrace 40" 2>/dev/null |
      grep -E "^Thread|syntrace|tests::" | cut -c -200
  fi
}

# A group of its own: Ctrl-C reaches this script, which passes it on, and the command's handlers are untouched.
set -m
"$@" </dev/null &
command=$!
(
  sleep "$limit"
  echo "within.sh: not done after $limit s: $*"
  processes=$(tree "$command")
  for process in $processes; do describe "$process" 2>/dev/null; done
  echo "within.sh: ended after $limit s; the threads above are named after the tests that were still running"
  kill -KILL $processes
) >&2 &
watch=$!
disown "$watch"
set +m
trap 'kill $(tree "$command"); kill -KILL -- "-$watch"; exit 143' INT TERM
wait "$command"
status=$?
kill -KILL -- "-$watch" 2>/dev/null
exit "$status"
