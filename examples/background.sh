# What the scripts of the examples share: a temporary directory in $dir, and programs in the background that end with the
# script. To be sourced.

dir=$(mktemp -d)
pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || { kill "${pids[@]}" && wait "${pids[@]}"; } 2>/dev/null || true
  rm -rf "$dir"
}
trap stop EXIT

# start TEXT NAME PROGRAM…: runs a program until it has logged the text; its log is $dir/NAME.
start() {
  local text=$1 name=$2
  shift 2
  "$@" >"$dir/$name" 2>&1 &
  pids+=($!)
  for _ in $(seq 600); do
    ! grep -q -- "$text" "$dir/$name" || return 0
    kill -0 "$!" 2>/dev/null || break
    sleep 0.05
  done
  echo "$name does not start:" >&2
  cat "$dir/$name" >&2
  exit 1
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A Redis of the script's own; its address without the database is in $redis.
start_redis() {
  command -v redis-server >/dev/null || { echo "redis-server is missing: apt-get install redis-server" >&2; exit 1; }
  local port
  port=$(free_port)
  redis=redis://127.0.0.1:$port
  start "Ready to accept connections" redis redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$dir"
}

# example NAME: the path of an example program, built unless $EXAMPLES says where they are.
example() {
  if [ -z "${EXAMPLES:-}" ]; then
    cargo build --quiet --package queue-examples --example "$1"
    EXAMPLES=${CARGO_TARGET_DIR:-$repo/target}/debug/examples
  fi
  printf '%s\n' "$EXAMPLES/$1"
}
