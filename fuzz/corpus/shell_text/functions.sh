check() { until wget -q "$1"; do sleep 2; done & }
retry() { for i in $(seq 60); do eval "$1" && return 0; sleep 5; done; }
check https://ci.example.org/
retry "nc -z db.example.org 5432"
timeout --signal KILL 600 bash -c 'while ! systemctl is-active --quiet app; do sleep 1; done'
wait
