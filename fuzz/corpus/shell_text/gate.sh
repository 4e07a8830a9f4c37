#!/bin/bash
set -euo pipefail
HEALTH_DOMAIN=ci.example.org

wait_healthy() {
    until [ "$(curl -s -o /dev/null -w '%{http_code}' --resolve "$2:443:127.0.0.1" "$1")" = 200 ]; do
        sleep 5
    done
}

docker stack deploy --compose-file "/etc/stacks/$1.yml" "$1"
wait_healthy "https://$HEALTH_DOMAIN/" "$HEALTH_DOMAIN"
