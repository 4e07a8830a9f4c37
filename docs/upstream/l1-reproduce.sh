#!/bin/sh
# Each task of a stack leaves one address of a shared network allocated for ever, when `docker stack rm` removes the
# stack's own network while the task still stops.
# Needs a Swarm of one manager without other services, and an image IMAGE with a shell on it. Uses 10.83.0.0/16.
set -eu
IMAGE="${IMAGE:-busybox:latest}"
vips() { docker service inspect --format '{{range .Endpoint.VirtualIPs}}{{println .Addr}}{{end}}' "$@" | grep -c . || :; }

# How many more addresses the network has: services without tasks are made until one gets no VIP.
room() {
    n=0
    while docker service create --detach --no-resolve-image --name "count$n" --replicas 0 --network "$1" "$IMAGE" >/dev/null &&
        sleep 0.5 && [ "$(vips "count$n")" = 1 ]; do n=$((n + 1)); done
    for i in $(seq 0 "$n"); do docker service rm "count$i" >/dev/null; done
    echo "$n"
}

docker version --format 'engine {{.Server.Version}}'
docker network create --driver overlay --subnet 10.83.1.0/28 shared >/dev/null
sleep 1
echo "room on the shared network before: $(room shared)"

docker stack deploy --resolve-image never --compose-file - app 2>/dev/null >&2 <<STACK
version: "3.8"
services:
  web:
    image: $IMAGE
    command: ["sh", "-c", "trap 'sleep 5; exit 0' TERM; while :; do sleep 0.2; done"]
    networks: [shared, own]
    deploy: { replicas: 3 }
networks:
  shared: { external: true }
  own: {}
STACK
tasks() { docker ps --quiet --filter label=com.docker.swarm.service.name=app_web | wc -l; }
tasks_are() { [ "$(tasks)" = "$1" ]; }
# Half a minute at most.
await() {
    for _ in $(seq 300); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "in vain: $*" >&2
    exit 1
}
await tasks_are 3
echo "three tasks run"
# Refused ("in use by task") until the tasks have been told to stop: once more, as anybody would.
await docker stack rm app
echo "the stack is removed, while $(tasks) tasks still stop"
await tasks_are 0
sleep 5
echo "room on the shared network after:  $(room shared)"
docker network rm shared >/dev/null
