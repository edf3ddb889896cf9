#!/bin/sh
# Run at build with the names of services: applies their migrations to an empty database directory
# and leaves it as /baked/database.tar.gz. Schemas only: the one account that makes them has a
# password of this run and is dropped at the end; no address, endpoint or other secret is in it.
set -eu
data=/tmp/bake/data
socket=/tmp/bake/socket
sql="mariadb --no-defaults --socket=$socket"
password=$(cat /proc/sys/kernel/random/uuid)
owner=$(id -nu 2406)
mkdir -p "$data" /baked

mariadb-install-db --no-defaults --user=root --datadir="$data" --skip-test-db --skip-name-resolve \
    --auth-root-authentication-method=socket --auth-root-socket-user="$owner" >/dev/null
{
    echo "CREATE USER bake@'127.0.0.1' IDENTIFIED BY '$password';"
    echo "GRANT ALL PRIVILEGES ON *.* TO bake@'127.0.0.1';"
    for service in "$@"; do
        python3 - "/opt/stackyard/bake/$service/declares.json" <<'PYTHON'
import json, sys
for database in json.load(open(sys.argv[1])).get("database", []):
    print(f"CREATE DATABASE `{database['name']}` CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;")
PYTHON
    done
} >/tmp/bake/init.sql
mariadbd --no-defaults --user=root --datadir="$data" --socket="$socket" --pid-file=/tmp/bake/pid \
    --bind-address=127.0.0.1 --skip-name-resolve --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
    --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=0 >/tmp/bake/log 2>&1 &
server=$!
tries=0
until $sql -e "SELECT 1" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if test "$tries" -ge 600 || ! kill -0 "$server"; then tail -n 5 /tmp/bake/log >&2; exit 1; fi
    sleep 0.1
done
$sql </tmp/bake/init.sql

running=""
for service in "$@"; do
    env STACKYARD_CONTAINER="/opt/stackyard/bake/$service" STACKYARD_ROOT=/ \
        MYSQL_SERVER=127.0.0.1 DATABASE_USER=bake DATABASE_PASSWORD="$password" \
        /opt/stackyard/bin/entrypoint bootstrap --only-baked >"/tmp/bake/$service.log" 2>&1 &
    running="$running $service:$!"
done
failed=""
for pair in $running; do
    wait "${pair#*:}" || { failed="$failed ${pair%:*}"; tail -n 30 "/tmp/bake/${pair%:*}.log" >&2; }
done
if test -n "$failed"; then
    tail -n 5 /tmp/bake/log >&2
    echo "migrations failed:$failed" >&2
    exit 1
fi

$sql -e "DROP USER bake@'127.0.0.1'; SET GLOBAL innodb_fast_shutdown = 0; SHUTDOWN;"
wait "$server"
rm -f "$data"/*.pid "$data"/ib_buffer_pool "$data"/tc.log
tar --sort=name --mtime=@0 --owner=2406 --group=2406 --numeric-owner --use-compress-program="gzip -4n" -C "$data" \
    -cf /baked/database.tar.gz .
