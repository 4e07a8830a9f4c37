#!/bin/sh
# A service that waits for a full network loses an address on its other network at every attempt.
# Needs a Swarm of one manager without other services, and an image IMAGE on it. Uses 10.81.0.0/16.
set -eu
IMAGE="${IMAGE:-busybox:latest}"
service() { docker service create --detach --no-resolve-image "$@" "$IMAGE" sleep 1d >/dev/null; }
vips() { docker service inspect --format '{{range .Endpoint.VirtualIPs}}{{println .Addr}}{{end}}' "$@" | grep -c . || :; }
gone() { for _ in $(seq 150); do [ -n "$(docker service ps --quiet "$1" 2>/dev/null)" ] || return 0; sleep 0.2; done; }

# How many more addresses the network has: services without tasks are made until one gets no VIP.
room() {
    n=0
    while service --name "count$n" --replicas 0 --network "$1" && sleep 0.5 && [ "$(vips "count$n")" = 1 ]; do n=$((n + 1)); done
    for i in $(seq 0 "$n"); do docker service rm "count$i" >/dev/null; done
    echo "$n"
}

docker version --format 'engine {{.Server.Version}}'
docker network create --driver overlay --subnet 10.81.1.0/28 one >/dev/null
docker network create --driver overlay --subnet 10.81.2.0/28 two >/dev/null
docker network create --driver overlay --subnet 10.81.3.0/28 aside >/dev/null
# The client hands a new service's networks over in the order of their ids.
A=$(docker network inspect --format '{{.Id}} {{.Name}}' one two | sort | awk 'NR == 1 { print $2 }')
B=$(docker network inspect --format '{{.Id}} {{.Name}}' one two | sort | awk 'NR == 2 { print $2 }')
sleep 1
echo "room on the first network before: $(room "$A")"

# All 13 addresses of the second network go to tasks that no node can run.
service --name filler --replicas 13 --endpoint-mode dnsrr --constraint node.labels.none==1 --network "$B"
sleep 2
service --name victim --network "$A" --network "$B"
sleep 2
echo "VIPs of the victim: $(vips victim)"
for i in 1 2 3; do
    # Any address that anybody gives back makes the allocator try again.
    service --name "passer$i" --replicas 0 --network aside
    sleep 1
    docker service rm "passer$i" >/dev/null
    sleep 1
done
docker service rm victim >/dev/null
gone victim
docker service rm filler >/dev/null
gone filler
sleep 5
echo "room on the first network after:  $(room "$A")"
docker network rm one two aside >/dev/null
