#!/bin/sh
# An update that adds a full network frees the virtual address that the service goes on using; another service gets it.
# Needs a Swarm of one manager without other services, and an image IMAGE on it. Uses 10.82.0.0/16.
set -eu
IMAGE="${IMAGE:-busybox:latest}"
service() { docker service create --detach --no-resolve-image --label reproduce=l3 "$@" "$IMAGE" sleep 1d >/dev/null; }
vip() { docker service inspect --format '{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}' "$1"; }

# Whatever was made is removed, however it ends.
end() {
    docker service rm $(docker service ls --quiet --filter label=reproduce=l3) >/dev/null
    for _ in $(seq 60); do docker network rm roomy full >/dev/null 2>&1 && break; sleep 0.5; done
}
trap end EXIT

docker version --format 'engine {{.Server.Version}}'
docker network create --driver overlay --subnet 10.82.1.0/28 roomy >/dev/null
docker network create --driver overlay --subnet 10.82.2.0/28 full >/dev/null
sleep 1
# All 13 addresses of the second network go to tasks that no node can run.
service --name filler --replicas 13 --endpoint-mode dnsrr --constraint node.labels.none==1 --network full
service --name live --replicas 1 --network roomy
sleep 4
LIVE=$(vip live)
echo "live has $LIVE"
docker service update --detach --network-add full live >/dev/null && echo "the update is accepted"
sleep 2
echo "live has $(vip live)after the update"
for i in $(seq 1 13); do
    service --name "new$i" --replicas 0 --network roomy
    sleep 0.5
    if [ "$(vip "new$i")" = "$LIVE" ]; then
        echo "new$i has ${LIVE}too"
        exit 0
    fi
done
echo "no other service has the address"
exit 1
